-- Full one day.
CREATE TABLE wards (id integer PRIMARY KEY, beds smallint); -- MS436
ALTER TABLE patients ADD COLUMN visits integer DEFAULT 0; -- MS436
ALTER TABLE billing.rates ALTER COLUMN id TYPE smallint; -- MS436
CREATE TABLE "Beds" (no serial, sizes int[]); -- MS436
