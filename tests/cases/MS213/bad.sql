ALTER TABLE patients ADD CONSTRAINT patients_age_low CHECK (age < 200); -- MS213
ALTER TABLE clinical_notes ADD FOREIGN KEY (author_id) REFERENCES staff; -- MS213
ALTER TABLE billing.rates ADD COLUMN unit text, ADD CONSTRAINT "Unit" CHECK (unit <> ''); -- MS213
