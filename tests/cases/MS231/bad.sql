CREATE TABLE wards (id integer PRIMARY KEY, "Beds" integer, note varchar(10));

-- migration: 2_longer
ALTER TABLE wards ALTER COLUMN note TYPE text;

-- migration: 3_larger
ALTER TABLE wards ALTER COLUMN "Beds" TYPE bigint; -- MS231
