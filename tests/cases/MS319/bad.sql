-- An explicit cast cuts what is too long.
ALTER TABLE patients ALTER COLUMN email TYPE varchar(5) USING email::varchar(5); -- MS319
ALTER TABLE clinical_notes ALTER COLUMN body TYPE char(5) USING (body::char(5)); -- MS319

-- These round in any case.
ALTER TABLE patients ALTER COLUMN balance TYPE numeric(10, 1); -- MS319
ALTER TABLE invoices ALTER COLUMN amount TYPE bigint; -- MS319
ALTER TABLE patients ALTER COLUMN seen TYPE date; -- MS319
ALTER TABLE readings ALTER COLUMN taken TYPE timestamp(0); -- MS319
ALTER TABLE billing.rates ALTER COLUMN price TYPE double precision; -- MS319
