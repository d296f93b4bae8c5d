-- Say what older rows are to hold, in batches.
ALTER TABLE patients ADD COLUMN country text;
ALTER TABLE patients ALTER COLUMN country SET DEFAULT 'CH';
UPDATE patients SET country = 'CH' WHERE id BETWEEN 1 AND 1000 AND country IS NULL;

-- There is none to drop.
ALTER TABLE patients ALTER COLUMN notes DROP DEFAULT;

-- A view's default is for INSERTs through the view.
ALTER VIEW active_patients ALTER COLUMN name SET DEFAULT 'nobody';

-- Nobody uses a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY, beds integer);
ALTER TABLE wards ALTER COLUMN beds SET DEFAULT 4;
