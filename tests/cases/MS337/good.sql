-- The view goes, the column changes, the view comes back: one transaction, nobody misses it.
DROP VIEW active_patients;
ALTER TABLE patients ALTER COLUMN name TYPE varchar(200);
CREATE VIEW active_patients AS SELECT id, name FROM patients WHERE active;

-- No view needs these.
ALTER TABLE patients ALTER COLUMN legacy_id TYPE bigint;
ALTER TABLE patients DROP COLUMN notes;
ALTER TABLE invoices DROP COLUMN paid, DROP COLUMN IF EXISTS nothing;

-- CASCADE takes the view along; another rule speaks of it.
ALTER TABLE patients DROP COLUMN active CASCADE;
