CREATE TABLE triage (id integer PRIMARY KEY); -- MS457
ALTER TABLE patients ADD COLUMN ward text; -- MS457
CREATE INDEX "Ward" ON patients (ward); -- MS457
CREATE VIEW wards AS SELECT ward FROM public.patients; -- MS457
ALTER TABLE patients RENAME COLUMN ward TO ward_name; -- MS457
DROP VIEW wards; -- MS457
