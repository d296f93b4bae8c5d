-- What was only a step on the way to NOT NULL.
ALTER TABLE patients ALTER COLUMN mrn SET NOT NULL;
ALTER TABLE patients DROP CONSTRAINT patients_mrn_present;

-- What this migration has brought itself, or what is not there.
ALTER TABLE staff ADD CONSTRAINT "Once" CHECK (id > 0) NOT VALID;
ALTER TABLE staff DROP CONSTRAINT "Once";
ALTER TABLE staff DROP CONSTRAINT IF EXISTS "Never There";
CREATE TABLE labs (id bigint, code text, UNIQUE (code));
ALTER TABLE labs DROP CONSTRAINT labs_code_key;
