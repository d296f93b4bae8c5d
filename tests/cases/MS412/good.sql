-- The same type on both sides.
ALTER TABLE appointments ADD COLUMN note bigint REFERENCES clinical_notes;

ALTER TABLE doses ADD FOREIGN KEY (amount) REFERENCES staff (id) NOT VALID;
CREATE TABLE tags (name varchar(20) PRIMARY KEY, parent text REFERENCES tags);
CREATE TABLE "Lab Orders" (id bigint PRIMARY KEY, rate integer, day date,
    FOREIGN KEY (rate) REFERENCES billing.rates (id));
