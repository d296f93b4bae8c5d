-- Written by hand: Prisma would drop the column and add an empty one.
ALTER TABLE "clients" RENAME COLUMN "telephone" TO "phone";
