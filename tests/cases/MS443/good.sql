-- For everybody.
CREATE TABLE wards (id bigint PRIMARY KEY, price numeric(12, 2), opens time);
ALTER TABLE patients ADD COLUMN last_seen timestamptz;
ALTER TABLE archive ADD COLUMN flag boolean;
ALTER TABLE archive ADD COLUMN name text;
