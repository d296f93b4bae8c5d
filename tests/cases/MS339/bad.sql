-- No row that is there has a value for it.
ALTER TABLE patients ADD COLUMN country text NOT NULL; -- MS339
-- migration: 2_null
ALTER TABLE staff ADD COLUMN "badgeNo" integer NOT NULL DEFAULT NULL; -- MS339
-- migration: 3_key
ALTER TABLE archive ADD COLUMN code text PRIMARY KEY; -- MS339
-- migration: 4_same_statement
ALTER TABLE archive ADD COLUMN key integer, ADD CONSTRAINT archive_pkey PRIMARY KEY (key); -- MS339
-- migration: 5_same_statement
ALTER TABLE billing.rates ADD COLUMN tax numeric, ALTER COLUMN tax SET NOT NULL; -- MS339
