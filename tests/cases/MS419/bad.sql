DROP INDEX scratch_child_pkey; -- MS419
DROP INDEX IF EXISTS billing.rates_pkey CASCADE; -- MS419
CREATE TABLE "Wards" (code text, CONSTRAINT "One Ward" UNIQUE (code));
DROP INDEX "One Ward"; -- MS419
-- A foreign key relies on the index.
ALTER TABLE patients
    ADD COLUMN import integer REFERENCES imports (line),
    ADD COLUMN batch integer REFERENCES imports (batch);
DROP INDEX imports_line_idx; -- MS419
DROP INDEX imports_batch_idx CASCADE; -- MS419
