ALTER TABLE invoices DROP CONSTRAINT invoices_patient_fk; -- MS324
ALTER TABLE patients DROP CONSTRAINT patients_age_check; -- MS324
ALTER TABLE visits_2026 DROP CONSTRAINT visits_2026_bound CASCADE; -- MS324
ALTER TABLE billing.rates ADD CONSTRAINT "Price" UNIQUE (price);
-- migration: 2_later
ALTER TABLE billing.rates DROP CONSTRAINT IF EXISTS "Price"; -- MS324
