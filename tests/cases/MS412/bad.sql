ALTER TABLE clinical_notes ADD FOREIGN KEY (state) REFERENCES staff (id); -- MS412
ALTER TABLE appointments ADD COLUMN note integer REFERENCES clinical_notes; -- MS412
CREATE TABLE "Lab Orders" ( -- MS412
    id bigint PRIMARY KEY,
    rate bigint REFERENCES billing.rates (id)
);
ALTER TABLE doses ADD COLUMN made_by staff_role, ADD FOREIGN KEY (made_by) REFERENCES staff; -- MS412
