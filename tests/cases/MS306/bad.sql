-- The foreign key of scratch_child goes as well.
DROP TABLE scratch CASCADE; -- MS306
-- So do two views.
CREATE VIEW "Doctors" AS SELECT name FROM staff WHERE role = 'doctor';
ALTER TABLE staff DROP COLUMN role CASCADE; -- MS306
ALTER TABLE patients DROP CONSTRAINT patients_pkey CASCADE; -- MS306
DROP VIEW active_patients CASCADE; -- MS306

-- A column goes, with what it held.
DROP TYPE dose_unit CASCADE; -- MS306
DROP DOMAIN plain_text CASCADE; -- MS306

-- A trigger goes, and a default, a column's type and its index.
DROP FUNCTION touch() CASCADE; -- MS306
DROP SEQUENCE ticket_seq CASCADE; -- MS306
DROP EXTENSION citext CASCADE; -- MS306
