-- A limit that is hard to change.
CREATE TABLE wards (id bigint PRIMARY KEY, name varchar(50)); -- MS439
ALTER TABLE patients ADD COLUMN "Country" character varying(2); -- MS439
ALTER TABLE billing.rates ADD COLUMN names varchar(20)[]; -- MS439
ALTER TABLE patients ALTER COLUMN email TYPE varchar(80); -- MS439
