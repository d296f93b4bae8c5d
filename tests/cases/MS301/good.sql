-- Let the column rest: the code of this release neither reads nor writes it.
ALTER TABLE patients ALTER COLUMN legacy_id DROP NOT NULL;
COMMENT ON COLUMN patients.legacy_id IS 'not used any more; to be dropped after the next release';

-- A column that this migration adds itself, to work with.
ALTER TABLE invoices ADD COLUMN "oldAmount" numeric;
UPDATE invoices SET "oldAmount" = amount WHERE id < 10;
ALTER TABLE invoices DROP COLUMN "oldAmount";

-- A column that is known not to be there.
ALTER TABLE staff DROP COLUMN IF EXISTS nickname;

-- A new table.
CREATE TABLE wards (id integer, name text);
ALTER TABLE wards DROP COLUMN name;

-- An attribute of a type that no table has.
CREATE TYPE place AS (street text, zip text);
ALTER TYPE place DROP ATTRIBUTE zip;
