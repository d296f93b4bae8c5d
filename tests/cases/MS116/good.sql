-- The schema in one migration …
ALTER TABLE patients ADD COLUMN nickname text;

-- migration: 2_rows
-- … and the rows in another.
UPDATE patients SET nickname = name WHERE nickname IS NULL;

-- migration: 3_before
-- Rows first: no lock keeps anybody out while they change.
UPDATE staff SET name = trim(name);
ALTER TABLE staff ALTER COLUMN name SET DEFAULT 'unknown';

-- migration: 4_short
-- A row by its key, and a few literals.
ALTER TABLE invoices ADD COLUMN memo text;
UPDATE invoices SET memo = 'x' WHERE id = 1;
INSERT INTO staff (id, name) VALUES (100, 'Dr. Who');

-- migration: 5_new
-- Only new tables are locked.
CREATE TABLE "Wards" (id bigint, name text);
ALTER TABLE "Wards" ADD COLUMN floor integer;
INSERT INTO "Wards" (id, name) SELECT id, name FROM patients;
