ALTER TABLE clinical_notes -- MS328
    ADD FOREIGN KEY (author_id) REFERENCES staff ON DELETE CASCADE;
ALTER TABLE doses ADD COLUMN "Rate" integer REFERENCES billing.rates ON UPDATE CASCADE; -- MS328
CREATE TABLE labs ( -- MS328
    id bigint PRIMARY KEY,
    patient_id bigint REFERENCES patients ON DELETE CASCADE ON UPDATE CASCADE
);
