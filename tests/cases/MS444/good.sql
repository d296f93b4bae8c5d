-- Whatever becomes of the runner, its locks end.
SET LOCAL idle_in_transaction_session_timeout = '1min';
ALTER TABLE patients ADD COLUMN ward text;

-- migration: 2_new
CREATE TABLE wards (id integer PRIMARY KEY);
ALTER TABLE wards ADD COLUMN beds integer;
