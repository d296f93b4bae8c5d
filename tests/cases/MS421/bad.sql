ALTER TABLE patients ADD CHECK (age < 200); -- MS421
ALTER TABLE clinical_notes ADD FOREIGN KEY (author_id) REFERENCES staff; -- MS421
ALTER TABLE billing.rates ADD UNIQUE (price); -- MS421
