-- AlterTable
ALTER TABLE "staff" ADD COLUMN     "deactivatedAt" TIMESTAMP(3);

-- Keep what "active" says before it goes.
UPDATE "staff" SET "deactivatedAt" = "updatedAt" WHERE NOT "active";

-- AlterTable
ALTER TABLE "staff" DROP COLUMN "active";
