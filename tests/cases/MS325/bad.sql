-- For every session, and nothing switches it on again.
ALTER TABLE patients DISABLE TRIGGER patients_touch; -- MS325
ALTER TABLE billing.rates DISABLE TRIGGER USER; -- MS325

-- Foreign keys are not checked, and rows of that time never will be.
ALTER TABLE appointments DISABLE TRIGGER ALL; -- MS325
DELETE FROM appointments WHERE id = 30;
ALTER TABLE appointments ENABLE TRIGGER ALL;
SET LOCAL session_replication_role = replica; -- MS325
SET session_replication_role TO 'replica'; -- MS325
SELECT set_config('session_replication_role', 'replica', true); -- MS325

CREATE RULE "No Delete" AS ON DELETE TO archive DO INSTEAD NOTHING;
ALTER TABLE archive DISABLE RULE "No Delete"; -- MS325
