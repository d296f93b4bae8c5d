-- Build the index while the table is in use, then let a constraint take it over.
ALTER TABLE patients ADD COLUMN passport text;
CREATE UNIQUE INDEX patients_passport_key ON patients (passport); -- CONCURRENTLY, on its own
ALTER TABLE patients ADD CONSTRAINT patients_passport_key UNIQUE USING INDEX patients_passport_key;

-- Nobody uses a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY);
ALTER TABLE wards ADD COLUMN code text UNIQUE;

-- There already, so that nothing happens.
ALTER TABLE patients ADD COLUMN IF NOT EXISTS mrn text UNIQUE;
ALTER TABLE archive ADD COLUMN note text;
