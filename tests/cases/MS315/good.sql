-- A view with the old name lets the code go on that is still running.
ALTER TABLE archive RENAME TO attic;
CREATE VIEW archive AS SELECT * FROM attic;
ALTER TABLE billing.rates RENAME TO prices;
CREATE VIEW billing.rates AS SELECT * FROM billing.prices;

-- Nothing names a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY);
ALTER TABLE wards RENAME TO stations;

-- Other rules speak of these.
ALTER TABLE patients RENAME COLUMN notes TO remarks;
ALTER VIEW active_patients RENAME TO current_patients;
ALTER TABLE patients RENAME CONSTRAINT patients_age_check TO patients_age_positive;
