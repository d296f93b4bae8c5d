-- server: 18
ALTER TABLE patients ADD CONSTRAINT patients_age_low CHECK (age < 200) NOT ENFORCED; -- MS333
CREATE TABLE "Lab Orders" ( -- MS333
    id bigint PRIMARY KEY,
    patient_id bigint REFERENCES patients NOT ENFORCED
);
ALTER TABLE billing.rates ADD COLUMN unit text CHECK (unit <> '') NOT ENFORCED; -- MS333
ALTER TABLE invoices ALTER CONSTRAINT invoices_patient_fk NOT ENFORCED; -- MS333
