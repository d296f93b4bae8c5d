-- DropIndex
DROP INDEX "appointments_staffId_idx";

-- CreateIndex
CREATE INDEX "appointments_staffId_startsAt_idx" ON "appointments"("staffId", "startsAt");
