-- One table in one migration.
ALTER TABLE patients ADD COLUMN ward text, ADD COLUMN bed text;

-- migration: 2_appointments
ALTER TABLE appointments ADD COLUMN ward text;
CREATE INDEX ON patients (ward);
UPDATE patients SET ward = 'a' WHERE id = 1;

-- migration: 3_new
CREATE TABLE wards (id integer PRIMARY KEY);

-- migration: 4_new_again
ALTER TABLE wards ADD COLUMN beds integer;
