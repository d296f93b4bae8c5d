/*
  Warnings:

  - Made the column `appointmentId` on table `clinical_notes` required. This step will fail if there are existing NULL values in that column.

*/
-- AlterTable
ALTER TABLE "clinical_notes" ALTER COLUMN "appointmentId" SET NOT NULL;

-- AddForeignKey
ALTER TABLE "clinical_notes" ADD CONSTRAINT "clinical_notes_appointmentId_fkey" FOREIGN KEY ("appointmentId") REFERENCES "appointments"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
