-- Each comes after what it needs.
ALTER TABLE scratch_child ADD COLUMN note text;
DROP TABLE scratch_child;

-- migration: 2_anew
CREATE TABLE scratch_child (id integer PRIMARY KEY);
ALTER TABLE scratch_child ADD COLUMN note text;
ALTER TABLE readings RENAME TO measurements;
CREATE VIEW readings AS SELECT id FROM measurements;
SELECT id FROM readings;

-- What may be missing or there.
DROP TABLE billing.rates;
DROP TABLE IF EXISTS billing.rates;
ALTER TABLE IF EXISTS billing.rates ADD COLUMN note text;
CREATE TABLE IF NOT EXISTS patients (id integer);
CREATE OR REPLACE VIEW active_patients AS SELECT id, name FROM patients;
CREATE TABLE billing.patients (id integer);
