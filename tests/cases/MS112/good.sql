-- A second view with the new name; the old one goes when nothing names it.
CREATE VIEW current_patients AS SELECT id, name FROM patients WHERE active;

-- Nothing names what this migration makes.
ALTER VIEW current_patients RENAME TO patients_of_today;
CREATE INDEX patients_birth ON patients (birth);
ALTER INDEX patients_birth RENAME TO patients_birth_idx;
CREATE TABLE wards (id integer CONSTRAINT ward_key PRIMARY KEY);
ALTER TABLE wards RENAME CONSTRAINT ward_key TO wards_pkey;

-- Other rules speak of these.
ALTER TABLE patients RENAME COLUMN notes TO remarks;
ALTER TABLE archive RENAME TO attic;
