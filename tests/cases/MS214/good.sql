-- New rows are checked from here on. Both tables are locked for a moment.
ALTER TABLE clinical_notes
    ADD CONSTRAINT notes_author_fk FOREIGN KEY (author_id) REFERENCES staff NOT VALID;

-- migration: 2_validate
-- Reads the old rows, and lets everybody write meanwhile.
ALTER TABLE clinical_notes VALIDATE CONSTRAINT notes_author_fk;

-- A new table has no row to check.
CREATE TABLE labs (id bigint PRIMARY KEY, patient_id bigint);
ALTER TABLE labs ADD CONSTRAINT "Lab of Patient" FOREIGN KEY (patient_id) REFERENCES patients;
CREATE TABLE samples (id bigint PRIMARY KEY, lab_id bigint REFERENCES labs);
