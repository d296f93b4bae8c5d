-- Who holds the lock can be told.
SET LOCAL application_name = 'migration 2024-05';
ALTER TABLE patients ADD COLUMN ward text;

-- migration: 2_new
CREATE TABLE wards (id integer PRIMARY KEY);
ALTER TABLE wards ADD COLUMN beds integer;
