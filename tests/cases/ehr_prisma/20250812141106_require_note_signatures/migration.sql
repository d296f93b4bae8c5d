/*
  Warnings:

  - Made the column `signedAt` on table `clinical_notes` required. This step will fail if there are existing NULL values in that column.
  - Made the column `signedById` on table `clinical_notes` required. This step will fail if there are existing NULL values in that column.

*/
-- Notes from before signatures count as signed by their author.
UPDATE "clinical_notes" SET "signedAt" = "createdAt" WHERE "signedAt" IS NULL;
UPDATE "clinical_notes" SET "signedById" = "authorId" WHERE "signedById" IS NULL;

-- AlterTable
ALTER TABLE "clinical_notes" ALTER COLUMN "signedAt" SET NOT NULL,
ALTER COLUMN "signedById" SET NOT NULL;
