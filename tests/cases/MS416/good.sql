ALTER TABLE patients ADD CONSTRAINT patients_age_low CHECK (age < 200) NOT VALID;
ALTER TABLE logs ADD CONSTRAINT logs_id_low CHECK (id < 900) NOT VALID;
ALTER TABLE staff ADD CONSTRAINT "Staff" CHECK (id > 0) NOT VALID;
-- migration: 2_validate
-- Reads the old rows, and lets everybody read and write meanwhile.
ALTER TABLE patients VALIDATE CONSTRAINT patients_age_low;
ALTER TABLE logs VALIDATE CONSTRAINT logs_id_low;
-- migration: 3_without
ALTER TABLE staff DROP CONSTRAINT "Staff";
