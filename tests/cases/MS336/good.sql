-- Each of these serves the code of before as well.
ALTER TABLE patients ADD COLUMN birthday date;
CREATE VIEW people AS SELECT id, name FROM patients;
ALTER TYPE dose_unit ADD VALUE 'drop';
ALTER INDEX patients_email_idx RENAME TO patients_by_email;
DROP INDEX readings_label_idx;

-- Nothing names what this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY, beds integer);
ALTER TABLE wards RENAME COLUMN beds TO places;
ALTER TABLE wards DROP COLUMN places;
DROP VIEW people;
DROP TABLE wards;
