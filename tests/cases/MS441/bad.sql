-- In no zone that is said.
CREATE TABLE wards (id bigint PRIMARY KEY, opened timestamp, closed timestamp without time zone); -- MS441
ALTER TABLE patients ADD COLUMN "lastSeen" timestamp(3); -- MS441
ALTER TABLE billing.rates ADD COLUMN changes timestamp[]; -- MS441
ALTER TABLE patients ALTER COLUMN seen TYPE timestamp; -- MS441
