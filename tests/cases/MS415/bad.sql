ALTER TABLE clinical_notes ADD FOREIGN KEY (author_id) REFERENCES staff; -- MS415
ALTER TABLE doses ADD COLUMN "Rate" integer REFERENCES billing.rates; -- MS415
CREATE TABLE labs (id bigint PRIMARY KEY, patient_id bigint REFERENCES patients); -- MS415
