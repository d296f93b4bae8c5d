-- The rows stay, their order does not.
ALTER TABLE readings ALTER COLUMN label TYPE text COLLATE "C"; -- MS110
ALTER TABLE readings ALTER COLUMN label TYPE citext; -- MS110
SET LOCAL TimeZone = 'UTC';
ALTER TABLE readings ALTER COLUMN taken TYPE timestamptz; -- MS110

-- An index with an expression or a WHERE is built anew whatever changes.
CREATE INDEX "Patients by e-mail" ON patients (lower(email));
ALTER TABLE patients ALTER COLUMN email TYPE varchar(99); -- MS110
CREATE INDEX visits_sort_idx ON visits (day) WHERE kind <> '';
ALTER TABLE visits ALTER COLUMN kind TYPE varchar; -- MS110
