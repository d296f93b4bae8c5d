ALTER TABLE patients ADD CONSTRAINT patients_age_low CHECK (age < 200) NOT VALID;
ALTER TABLE clinical_notes
    ADD CONSTRAINT notes_author_fk FOREIGN KEY (author_id) REFERENCES staff NOT VALID;

-- migration: 2_validate
-- In another transaction, so that nothing is locked against anybody.
ALTER TABLE patients VALIDATE CONSTRAINT patients_age_low;
ALTER TABLE clinical_notes VALIDATE CONSTRAINT notes_author_fk;

-- A new table has no other users.
CREATE TABLE "Lab Orders" (id bigint PRIMARY KEY);
ALTER TABLE "Lab Orders" ADD CONSTRAINT "Id" CHECK (id > 0) NOT VALID;
ALTER TABLE "Lab Orders" VALIDATE CONSTRAINT "Id";
