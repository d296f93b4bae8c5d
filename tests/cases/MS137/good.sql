-- What takes its time comes first, in a migration of its own.
CREATE INDEX patients_birth_idx ON patients (birth);

-- migration: 2_moment
ALTER TABLE patients ADD COLUMN ward text;
ALTER TABLE appointments ADD COLUMN ward text;
COMMENT ON COLUMN patients.ward IS 'where they lie';

-- migration: 3_committed
BEGIN;
ALTER TABLE patients ADD COLUMN bed text;
COMMIT;
CREATE INDEX ON patients (bed);

-- migration: 4_new
-- On a table that nobody uses yet, and on one that is rewritten anyway.
CREATE TABLE wards (id integer PRIMARY KEY, name text);
ALTER TABLE wards ADD COLUMN beds integer;
CREATE INDEX ON wards (name);
ALTER TABLE billing.rates ALTER COLUMN id TYPE bigint;
