-- As long as the application can wait for its writes.
SET LOCAL statement_timeout = '30s';
CREATE INDEX patients_name_idx ON patients (name);

-- migration: 2_moment
-- What is over in a moment, and what keeps nobody out.
SET LOCAL statement_timeout = 0;
ALTER TABLE billing.rates ADD COLUMN note text;
ALTER TABLE invoices VALIDATE CONSTRAINT invoices_amount_check;
UPDATE billing.rates SET price = 1;
CREATE TABLE wards (id integer PRIMARY KEY, name text);
CREATE INDEX ON wards (name);
