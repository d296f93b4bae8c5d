-- Right at once.
CREATE TABLE wards (id integer PRIMARY KEY, "Beds" bigint, note varchar(10));

-- migration: 2_kept
-- The rows stay as they are.
ALTER TABLE wards ALTER COLUMN note TYPE text;
ALTER TABLE wards ADD COLUMN name text;

-- migration: 3_same
-- In one migration, and on a table that is older than all of these.
CREATE TABLE beds (id integer PRIMARY KEY);
ALTER TABLE beds ALTER COLUMN id TYPE bigint;
ALTER TABLE billing.rates ALTER COLUMN id TYPE bigint;
