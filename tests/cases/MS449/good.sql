-- transaction: no
-- Each statement finds its work done, or undoes it first.
CREATE TABLE IF NOT EXISTS wards (id integer PRIMARY KEY);
ALTER TABLE patients ADD COLUMN IF NOT EXISTS ward_id integer;
ALTER TABLE patients DROP CONSTRAINT IF EXISTS patients_ward_fk;
ALTER TABLE patients ADD CONSTRAINT patients_ward_fk FOREIGN KEY (ward_id) REFERENCES wards;
DROP INDEX CONCURRENTLY IF EXISTS "Wards of patients";
CREATE INDEX CONCURRENTLY "Wards of patients" ON patients (ward_id);
ALTER TYPE staff_role ADD VALUE IF NOT EXISTS 'porter';
INSERT INTO wards VALUES (1) ON CONFLICT DO NOTHING;
DROP TRIGGER IF EXISTS wards_touch ON wards;
CREATE TRIGGER wards_touch BEFORE UPDATE ON wards FOR EACH ROW EXECUTE FUNCTION touch();
CREATE OR REPLACE VIEW active_patients AS SELECT id, name FROM patients WHERE active;
UPDATE patients SET ward_id = 1 WHERE ward_id IS NULL;
