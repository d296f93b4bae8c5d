ALTER TABLE patients ADD CONSTRAINT patients_age_low CHECK (age < 200) NOT VALID; -- MS416
ALTER TABLE clinical_notes -- MS416
    ADD CONSTRAINT "Author" FOREIGN KEY (author_id) REFERENCES staff NOT VALID;
ALTER TABLE logs ADD CONSTRAINT logs_id_low CHECK (id < 900) NOT VALID; -- MS416
-- migration: 2_another
ALTER TABLE invoices VALIDATE CONSTRAINT invoices_amount_check;
