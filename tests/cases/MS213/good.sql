-- New rows are checked from here on.
ALTER TABLE patients ADD CONSTRAINT patients_age_low CHECK (age < 200) NOT VALID;
ALTER TABLE clinical_notes
    ADD CONSTRAINT notes_author_fk FOREIGN KEY (author_id) REFERENCES staff NOT VALID;
-- migration: 2_validate
-- Old rows, while everybody goes on.
ALTER TABLE patients VALIDATE CONSTRAINT patients_age_low;
ALTER TABLE clinical_notes VALIDATE CONSTRAINT notes_author_fk;

CREATE TABLE "Lab Orders" (id bigint PRIMARY KEY, code text CHECK (code <> ''));
ALTER TABLE "Lab Orders" ADD CHECK (id > 0);
