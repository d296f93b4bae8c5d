ALTER TABLE invoices VALIDATE CONSTRAINT invoices_amount_check; -- MS218
ALTER TABLE invoices VALIDATE CONSTRAINT invoices_patient_fk; -- MS218
ALTER TABLE billing.rates ADD CONSTRAINT "Price" CHECK (price > 0) NOT VALID;
-- migration: 2_later
ALTER TABLE billing.rates VALIDATE CONSTRAINT "Price"; -- MS218
