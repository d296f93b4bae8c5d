-- AlterTable
ALTER TABLE "_ServiceToStaff" ADD CONSTRAINT "_ServiceToStaff_AB_pkey" PRIMARY KEY ("A", "B");

-- DropIndex
DROP INDEX "_ServiceToStaff_AB_unique";
