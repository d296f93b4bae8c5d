-- What depends on it is named, and a reader sees it.
ALTER TABLE scratch_child DROP CONSTRAINT scratch_child_scratch_id_fkey;
DROP TABLE scratch;
DROP TRIGGER patients_touch ON patients;
DROP FUNCTION touch();

-- A table of this migration.
CREATE TABLE "Staging" (id integer);
CREATE VIEW staged AS SELECT id FROM "Staging";
DROP TABLE "Staging" CASCADE;

-- A whole schema is another hazard, and so are the rows that TRUNCATE takes along.
DROP SCHEMA billing CASCADE;
TRUNCATE invoices CASCADE;
