-- Only the column; an audit looks for values that refer to nothing.
ALTER TABLE doses ADD COLUMN "Rate" integer;
CREATE TABLE labs (id bigint PRIMARY KEY, patient_id bigint);
ALTER TABLE labs ADD CHECK (patient_id > 0);
