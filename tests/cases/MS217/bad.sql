ALTER TABLE patients ADD CONSTRAINT patients_age_low CHECK (age < 200) NOT VALID;
ALTER TABLE patients VALIDATE CONSTRAINT patients_age_low; -- MS217
ALTER TABLE billing.rates -- MS217
    ADD CONSTRAINT "Price" CHECK (price > 0) NOT VALID,
    VALIDATE CONSTRAINT "Price";
ALTER TABLE clinical_notes
    ADD CONSTRAINT notes_author_fk FOREIGN KEY (author_id) REFERENCES staff NOT VALID;
ALTER TABLE clinical_notes VALIDATE CONSTRAINT notes_author_fk; -- MS217
