ALTER TABLE clinical_notes -- MS139
    ADD CONSTRAINT notes_author_fk FOREIGN KEY (author_id) REFERENCES staff NOT VALID;
ALTER TABLE patients ADD COLUMN "Rate" integer REFERENCES billing.rates; -- MS139
-- An index that leaves rows out, and one that leads with another column, find nothing.
CREATE INDEX ON patients ("Rate") WHERE active;
CREATE INDEX ON patients (active, "Rate");
-- migration: 2_new_table
CREATE TABLE labs (id bigint PRIMARY KEY, patient_id bigint REFERENCES patients); -- MS139
