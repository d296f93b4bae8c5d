-- transaction: no
-- A file of its own, which its runner does not wrap in a transaction.
DROP INDEX CONCURRENTLY patients_email_idx;
DROP INDEX CONCURRENTLY IF EXISTS public.readings_label_idx;

-- A table that this migration makes has no other users.
CREATE TABLE triage (id integer, level integer);
CREATE INDEX triage_level_idx ON triage (level);
DROP INDEX triage_level_idx;
DROP TABLE archive;
