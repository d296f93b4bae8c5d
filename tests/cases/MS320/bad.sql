-- Not every value fits, and the first that does not ends it.
ALTER TABLE patients ALTER COLUMN mrn TYPE varchar(3); -- MS320
-- migration: 2_fit
ALTER TABLE invoices ALTER COLUMN id TYPE integer; -- MS320
ALTER TABLE invoices ALTER COLUMN amount TYPE numeric(5, 2); -- MS320
ALTER TABLE invoices ALTER COLUMN status TYPE varchar(10); -- MS320
ALTER TABLE patients ALTER COLUMN legacy_id TYPE smallint USING legacy_id::smallint; -- MS320
ALTER TABLE billing.rates ALTER COLUMN price TYPE integer; -- MS320
ALTER TABLE visits ALTER COLUMN kind TYPE char(6); -- MS320
ALTER TABLE staff ALTER COLUMN role TYPE varchar(3); -- MS320
