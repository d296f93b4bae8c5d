-- AlterTable
ALTER TABLE "clinical_notes" ALTER COLUMN "appointmentId" DROP NOT NULL,
ALTER COLUMN "signedAt" DROP NOT NULL,
ALTER COLUMN "signedById" DROP NOT NULL;
