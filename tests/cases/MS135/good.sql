-- It is known how long it takes.
SET LOCAL statement_timeout = '30s';
ALTER TABLE patients ADD COLUMN ward text;

-- migration: 2_new
CREATE TABLE wards (id integer PRIMARY KEY);
ALTER TABLE wards ADD COLUMN beds integer;
UPDATE billing.rates SET price = 1 WHERE id = 1;
