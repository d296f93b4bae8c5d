ALTER TABLE patients ADD CONSTRAINT patients_legacy_key UNIQUE (legacy_id); -- MS105
ALTER TABLE billing.rates ADD UNIQUE (price, id) DEFERRABLE; -- MS105
ALTER TABLE visits ADD CONSTRAINT "One Visit" UNIQUE (day, id); -- MS105
ALTER TABLE visits_2026 ADD COLUMN code text, ADD UNIQUE (code); -- MS105
