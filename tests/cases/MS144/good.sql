-- One pass over each table.
ALTER TABLE billing.rates
    ALTER COLUMN price SET NOT NULL,
    ADD CONSTRAINT rates_price_check CHECK (price > 0);

-- migration: 2_moment
-- What is over in a moment, and what keeps nobody out.
ALTER TABLE billing.rates ADD COLUMN note text;
ALTER TABLE invoices VALIDATE CONSTRAINT invoices_amount_check;

-- migration: 3_new
CREATE TABLE wards (id integer PRIMARY KEY, name text);
CREATE INDEX ON wards (name);

-- migration: 4_new_again
CREATE UNIQUE INDEX ON wards (name, id);
ALTER TABLE invoices VALIDATE CONSTRAINT invoices_patient_fk;
