-- As long as it is.
CREATE TABLE wards (id bigint PRIMARY KEY, code text CHECK (length(code) = 2));
ALTER TABLE patients ADD COLUMN country varchar(2);
ALTER TABLE patients ALTER COLUMN code TYPE text;
