-- Each of these serves only the code that comes after it.
ALTER TABLE patients RENAME COLUMN birth TO birthday; -- MS336
ALTER TABLE staff DROP COLUMN role; -- MS336
ALTER TABLE archive RENAME TO attic; -- MS336
ALTER TABLE attic SET SCHEMA billing; -- MS336
ALTER SCHEMA billing RENAME TO money; -- MS336
ALTER TYPE dose_unit RENAME VALUE 'ml' TO 'millilitre'; -- MS336
DROP VIEW active_patients; -- MS336
DROP TABLE scratch_child, imports; -- MS336
DROP FUNCTION stable_now(); -- MS336
