-- The statement takes the lock that it needs, and gives up soon.
SET LOCAL lock_timeout = '2s';
ALTER TABLE archive ADD COLUMN details text;

-- Modes in which reading and writing go on.
LOCK TABLE staff IN ACCESS SHARE MODE;
LOCK TABLE patients IN ROW EXCLUSIVE MODE;
LOCK TABLE billing.rates IN SHARE UPDATE EXCLUSIVE MODE;

-- A new table.
CREATE TABLE "Wards" (id integer);
LOCK TABLE "Wards";
