-- One table in one migration.
ALTER TABLE patients ADD COLUMN ward text;

-- migration: 2_appointments
ALTER TABLE appointments ADD COLUMN ward text;
CREATE TABLE wards (id integer PRIMARY KEY);
ALTER TABLE wards ADD COLUMN beds integer;

-- migration: 3_weaker
-- What only keeps writers out, or only a view's readers.
ALTER TABLE patients ADD COLUMN bed text;
CREATE OR REPLACE VIEW active_patients AS SELECT id, name FROM patients WHERE active;
ALTER TABLE billing.rates ENABLE TRIGGER ALL;

-- migration: 4_committed
BEGIN;
ALTER TABLE patients ADD COLUMN chair text;
COMMIT;
BEGIN;
ALTER TABLE appointments ADD COLUMN chair text;
COMMIT;
