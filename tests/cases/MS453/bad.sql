DROP TABLE scratch_child;
ALTER TABLE readings RENAME TO measurements;

-- migration: 2_late
ALTER TABLE scratch_child ADD COLUMN note text; -- MS453
CREATE INDEX ON readings (unit); -- MS453
UPDATE public.scratch_child SET id = 1; -- MS453
CREATE TABLE patients (id integer); -- MS453
CREATE VIEW active_patients AS SELECT 1 AS id; -- MS453
