-- One lock, one scan.
ALTER TABLE patients
    ADD COLUMN ward text,
    ADD COLUMN "Bed" text,
    ALTER COLUMN name SET DEFAULT 'x';

-- What has to stay apart.
ALTER TABLE billing.rates ADD CONSTRAINT rates_price_check CHECK (price IS NOT NULL) NOT VALID;
ALTER TABLE billing.rates VALIDATE CONSTRAINT rates_price_check;
ALTER TABLE billing.rates ALTER COLUMN price SET NOT NULL;
ALTER TABLE billing.rates DROP CONSTRAINT rates_price_check;

-- A default that is there for the old rows only, and other tables.
ALTER TABLE invoices ADD COLUMN note text NOT NULL DEFAULT '';
ALTER TABLE invoices ALTER COLUMN note DROP DEFAULT;
ALTER TABLE payments ADD COLUMN note text;
CREATE TABLE wards (id integer PRIMARY KEY);
ALTER TABLE wards ADD COLUMN beds integer;
ALTER TABLE wards ADD COLUMN rooms integer;
