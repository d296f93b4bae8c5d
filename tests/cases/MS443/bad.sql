-- Kept for the standard, or for the catalog.
CREATE TABLE wards (id bigint PRIMARY KEY, price money, opens time with time zone); -- MS443
ALTER TABLE patients ADD COLUMN "lastSeen" timestamptz(0); -- MS443
ALTER TABLE billing.rates ADD COLUMN flag "char"; -- MS443
ALTER TABLE patients ALTER COLUMN notes TYPE name; -- MS443
