-- AlterTable
ALTER TABLE "clinical_notes" ADD COLUMN     "signedAt" TIMESTAMP(3),
ADD COLUMN     "signedById" TEXT;

-- AddForeignKey
ALTER TABLE "clinical_notes" ADD CONSTRAINT "clinical_notes_signedById_fkey" FOREIGN KEY ("signedById") REFERENCES "staff"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
