-- Padded with blanks.
CREATE TABLE wards (id bigint PRIMARY KEY, code char(2), flag character); -- MS440
ALTER TABLE patients ADD COLUMN "Country" character(2); -- MS440
ALTER TABLE billing.rates ADD COLUMN note bpchar; -- MS440
ALTER TABLE patients ALTER COLUMN notes TYPE char(20); -- MS440
