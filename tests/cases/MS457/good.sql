-- Where a relation is made, changed or dropped, its schema is named.
CREATE TABLE billing.triage (id integer PRIMARY KEY);
ALTER TABLE public.patients ADD COLUMN ward text;
CREATE INDEX "Ward" ON public.patients (ward);
DROP TABLE billing.triage;

-- A temporary table has no schema, and rows may be changed as they are.
CREATE TEMPORARY TABLE found AS SELECT 1 AS id;
UPDATE patients SET ward = 'a';

-- migration: 2_path
-- The migration itself says where names lead.
SET LOCAL search_path = billing;
CREATE TABLE triage (id integer PRIMARY KEY);
