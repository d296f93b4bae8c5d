-- What is lost is named, and an empty schema is left.
DROP TABLE billing.rates;
ALTER SCHEMA billing RENAME TO billing_unused;

-- A schema of this migration.
CREATE SCHEMA "Scratch";
CREATE TABLE "Scratch".numbers (n integer);
DROP SCHEMA "Scratch" CASCADE;
