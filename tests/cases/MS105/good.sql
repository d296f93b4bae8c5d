-- transaction: no
-- Everybody goes on while the index is built; a duplicate ends it and leaves it INVALID.
CREATE UNIQUE INDEX CONCURRENTLY patients_legacy_key ON patients (legacy_id);
-- migration: 2_constraint
-- Takes the index over. The lock is held for a moment.
ALTER TABLE patients ADD CONSTRAINT patients_legacy_key UNIQUE USING INDEX patients_legacy_key;

-- A new table has no other users.
CREATE TABLE "Lab Orders" (id bigint PRIMARY KEY, code text UNIQUE);
ALTER TABLE "Lab Orders" ADD UNIQUE (code, id);
