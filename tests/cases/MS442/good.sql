-- Read once, compared and indexed.
CREATE TABLE wards (id bigint PRIMARY KEY, plan jsonb);
ALTER TABLE patients ADD COLUMN settings jsonb;
ALTER TABLE patients ALTER COLUMN data TYPE jsonb;
