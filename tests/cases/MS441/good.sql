-- The moment itself.
CREATE TABLE wards (id bigint PRIMARY KEY, opened timestamptz, closed timestamp with time zone);
ALTER TABLE patients ADD COLUMN last_seen timestamptz(3);
ALTER TABLE patients ALTER COLUMN created TYPE timestamptz;

-- No moment, on purpose.
ALTER TABLE archive ADD COLUMN born date;
