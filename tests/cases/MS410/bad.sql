CREATE INDEX patients_lower_idx ON patients (lower(name)); -- MS410
CREATE STATISTICS patients_age_birth ON age, birth FROM patients; -- MS410
ANALYZE staff;
CREATE INDEX ON billing.rates ((price * 2)); -- MS410
