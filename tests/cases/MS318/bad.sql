-- Code that names the old schema, or looks along another path, no longer finds these.
ALTER TABLE archive SET SCHEMA billing; -- MS318
ALTER TABLE IF EXISTS billing.rates SET SCHEMA public; -- MS318
ALTER VIEW active_patients SET SCHEMA billing; -- MS318
ALTER SEQUENCE ticket_seq SET SCHEMA billing; -- MS318
ALTER FUNCTION stable_now() SET SCHEMA billing; -- MS318
ALTER TYPE dose_unit SET SCHEMA billing; -- MS318
