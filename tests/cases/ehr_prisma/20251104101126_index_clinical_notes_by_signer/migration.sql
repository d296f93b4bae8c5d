-- CreateIndex
CREATE INDEX CONCURRENTLY "clinical_notes_signedById_signedAt_idx" ON "clinical_notes"("signedById", "signedAt");
