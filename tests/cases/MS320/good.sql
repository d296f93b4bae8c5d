-- A CHECK for the smaller range first; what breaks it is found while everybody works.
ALTER TABLE invoices ADD CONSTRAINT invoices_status_short CHECK (length(status) <= 10) NOT VALID;
-- migration: 2_validate
ALTER TABLE invoices VALIDATE CONSTRAINT invoices_status_short;

-- Every value fits.
ALTER TABLE patients ALTER COLUMN legacy_id TYPE bigint;
ALTER TABLE patients ALTER COLUMN email TYPE varchar(60);
ALTER TABLE invoices ALTER COLUMN amount TYPE numeric(12, 2);
ALTER TABLE readings ALTER COLUMN small TYPE varchar(6);
ALTER TABLE staff ALTER COLUMN role TYPE varchar(6);

-- An explicit cast cuts instead; another rule speaks of it.
ALTER TABLE archive ALTER COLUMN payload TYPE varchar(20) USING payload::varchar(20);

-- Nobody uses a table that this migration makes.
CREATE TABLE wards (id bigint PRIMARY KEY);
ALTER TABLE wards ALTER COLUMN id TYPE integer;
