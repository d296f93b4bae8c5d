-- AlterTable
ALTER TABLE "appointments" ADD COLUMN     "isTelehealth" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "meetingUrl" TEXT;
