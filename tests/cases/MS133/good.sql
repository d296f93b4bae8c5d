-- Some seconds, and another try when they are over.
SET LOCAL lock_timeout = '3s';
ALTER TABLE patients ADD COLUMN ward text;

-- migration: 2_gentle
-- Off where nobody is kept out, and short for the rest.
SET LOCAL lock_timeout = 0;
ALTER TABLE invoices VALIDATE CONSTRAINT invoices_amount_check;
UPDATE billing.rates SET price = 1 WHERE id = 1;
CREATE TABLE wards (id integer PRIMARY KEY);
ALTER TABLE wards ADD COLUMN beds integer;
SET LOCAL lock_timeout = 500;
DROP INDEX patients_email_idx;
