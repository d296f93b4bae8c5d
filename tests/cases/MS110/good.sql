-- A second index on what the column is going to be; then nothing hangs on the old one.
CREATE INDEX readings_label_citext_idx ON readings ((label::citext)); -- CONCURRENTLY, on its own
DROP INDEX readings_label_citext_idx, readings_label_idx;
ALTER TABLE readings ALTER COLUMN label TYPE citext;

-- The same order as before.
ALTER TABLE patients ALTER COLUMN email TYPE text;
ALTER TABLE patients ALTER COLUMN notes TYPE text COLLATE "C";
CREATE INDEX patients_ip_idx ON patients (ip);
ALTER TABLE patients ALTER COLUMN ip TYPE inet;

-- A rewrite builds all indexes anyway; another rule speaks of it.
ALTER TABLE readings ALTER COLUMN taken TYPE date;

-- Nobody uses a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY, name text UNIQUE);
ALTER TABLE wards ALTER COLUMN name TYPE citext;
