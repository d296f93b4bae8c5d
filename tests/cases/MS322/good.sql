-- jsonb can be compared.
ALTER TABLE staff ADD COLUMN settings jsonb;
ALTER TABLE visits ADD COLUMN payload jsonb NOT NULL DEFAULT '{}';

-- Nobody queries a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY, plan json);
ALTER TABLE wards ADD COLUMN settings json;

-- There already, so that nothing happens.
ALTER TABLE patients ADD COLUMN IF NOT EXISTS data json;
