-- server: 10
-- The column first, its default for new rows second, older rows in batches.
ALTER TABLE patients ADD COLUMN country text;
ALTER TABLE patients ALTER COLUMN country SET DEFAULT 'CH';
UPDATE patients SET country = 'CH' WHERE id BETWEEN 1 AND 1000;

-- NULL is what an older row has anyway.
ALTER TABLE staff ADD COLUMN note text DEFAULT NULL;

-- Nobody uses a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY);
ALTER TABLE wards ADD COLUMN beds integer DEFAULT 4;
