-- First of all.
SET LOCAL lock_timeout = '5s';
ALTER TABLE patients ADD COLUMN ward text;
SET LOCAL lock_timeout = '1s';
ALTER TABLE appointments ADD COLUMN ward text;

-- migration: 2_new
-- So far nobody had to wait.
CREATE TABLE wards (id integer PRIMARY KEY);
ALTER TABLE wards ADD COLUMN beds integer;
UPDATE billing.rates SET price = 1 WHERE id = 1;
SET LOCAL statement_timeout = '5s';
SET LOCAL lock_timeout = '5s';
DROP TABLE billing.rates;
