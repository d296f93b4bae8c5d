-- server: 18
-- Holds new rows at once; old rows are looked at later.
ALTER TABLE patients ADD CONSTRAINT patients_age_low CHECK (age < 200) NOT VALID;

CREATE TABLE "Lab Orders" (
    id bigint PRIMARY KEY,
    patient_id bigint REFERENCES patients DEFERRABLE ENFORCED,
    code text CHECK (code <> '')
);
ALTER TABLE payments ALTER CONSTRAINT payments_invoice_id_fkey NOT DEFERRABLE;
