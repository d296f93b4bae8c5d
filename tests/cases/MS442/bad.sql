-- Neither compared nor indexed.
CREATE TABLE wards (id bigint PRIMARY KEY, plan json); -- MS442
ALTER TABLE patients ADD COLUMN "Settings" json; -- MS442
ALTER TABLE billing.rates ADD COLUMN changes json[]; -- MS442
ALTER TABLE patients ALTER COLUMN doc TYPE json; -- MS442
