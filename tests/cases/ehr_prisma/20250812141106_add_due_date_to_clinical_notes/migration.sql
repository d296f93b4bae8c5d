-- AlterTable
ALTER TABLE "clinical_notes" ADD COLUMN     "dueDate" DATE;

-- A note is completed and signed within a week of its session.
UPDATE "clinical_notes" SET "dueDate" = "sessionDate" + INTERVAL '7 days';

-- AlterTable
ALTER TABLE "clinical_notes" ALTER COLUMN "dueDate" SET NOT NULL;
