-- The base type, with the domain's rule as a constraint that is validated later.
ALTER TABLE patients ADD COLUMN floor integer;
ALTER TABLE patients ADD CONSTRAINT patients_floor_check CHECK (floor > 0) NOT VALID;
-- migration: 2_validate
ALTER TABLE patients VALIDATE CONSTRAINT patients_floor_check;

-- A domain without a rule, an array of a domain, and types that are no domains.
ALTER TABLE archive ADD COLUMN label plain_text;
ALTER TABLE archive ADD COLUMN sizes positive_int[];
ALTER TABLE archive ADD COLUMN unit dose_unit;
ALTER TABLE archive ADD COLUMN place address;
ALTER TABLE archive ADD COLUMN owner citext;
ALTER TABLE archive ADD COLUMN "user" staff;

-- Nobody uses a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY);
ALTER TABLE wards ADD COLUMN beds positive_int;
