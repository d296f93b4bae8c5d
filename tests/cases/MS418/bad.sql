ALTER TABLE scratch DROP CONSTRAINT scratch_pkey; -- MS418
ALTER TABLE readings DROP CONSTRAINT readings_pkey; -- MS418
CREATE TABLE "Wards" (code text, CONSTRAINT "One Ward" UNIQUE (code));
ALTER TABLE billing.rates ADD COLUMN ward text REFERENCES "Wards" (code);
ALTER TABLE "Wards" DROP CONSTRAINT "One Ward" CASCADE; -- MS418
