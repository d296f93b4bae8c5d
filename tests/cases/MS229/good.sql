-- live: patients bytes=40000000000
-- live: staff bytes=2000000
-- Nothing is written anew.
ALTER TABLE patients ADD COLUMN "legacyId" bigint;
ALTER TABLE patients ALTER COLUMN email TYPE varchar(100);
TRUNCATE archive;

-- Small, or of unknown size.
ALTER TABLE staff ALTER COLUMN id TYPE bigint;
ALTER TABLE billing.rates SET UNLOGGED;
