-- The trigger stays on, and its function looks for a setting that only this migration makes.
CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('clinic.migrating', true) = 'on' THEN
        RETURN NEW;
    END IF;
    RETURN NEW;
END $$;
SET LOCAL clinic.migrating = 'on';
UPDATE patients SET name = 'patient one' WHERE id = 1;

-- Switched on; as it is by default.
ALTER TABLE patients ENABLE TRIGGER patients_touch;
SET LOCAL session_replication_role = origin;
RESET session_replication_role;

-- A new table.
CREATE TABLE "Wards" (id integer);
CREATE TRIGGER wards_touch BEFORE UPDATE ON "Wards" FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE "Wards" DISABLE TRIGGER wards_touch;
