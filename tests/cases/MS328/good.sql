-- Whoever deletes a person of the staff has to say what becomes of the notes.
ALTER TABLE clinical_notes ADD FOREIGN KEY (author_id) REFERENCES staff;

ALTER TABLE doses ADD COLUMN "Rate" integer REFERENCES billing.rates ON DELETE RESTRICT;
CREATE TABLE labs (id bigint PRIMARY KEY, patient_id bigint REFERENCES patients ON DELETE SET NULL);
