-- New rows are checked from here on. The lock is held for a moment.
ALTER TABLE patients ADD CONSTRAINT patients_age_low CHECK (age < 200) NOT VALID;
-- migration: 2_validate
-- Reads the old rows, and lets everybody read and write meanwhile.
ALTER TABLE patients VALIDATE CONSTRAINT patients_age_low;

-- A new table has no row to check.
CREATE TABLE "Lab Orders" (id bigint PRIMARY KEY, code text);
ALTER TABLE "Lab Orders" ADD CHECK (id > 0);
