-- Nothing is copied here, where there is no other tablespace; whether there is one the text cannot say.
ALTER TABLE archive SET TABLESPACE pg_default; -- MS220
ALTER TABLE billing.rates SET TABLESPACE "pg_default"; -- MS220
ALTER INDEX patients_email_idx SET TABLESPACE pg_default; -- MS220
ALTER MATERIALIZED VIEW patient_counts SET TABLESPACE pg_default; -- MS220
ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE pg_default; -- MS220
