ALTER TABLE patients ADD CONSTRAINT patients_age_low CHECK (age < 200); -- MS215
ALTER TABLE billing.rates ADD COLUMN unit text, ADD CONSTRAINT "Unit" CHECK (unit <> ''); -- MS215
ALTER TABLE logs ADD CHECK (id > 0); -- MS215
ALTER TABLE visits_2024 ADD CONSTRAINT kind_known CHECK (kind IN ('visit', 'call')); -- MS215
