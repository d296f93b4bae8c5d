-- transaction: no
-- timeouts: lock_timeout=5s statement_timeout=30s
-- It may wait as long as it has to, since nobody waits for it.
SET lock_timeout = 0;
SET statement_timeout = 0;
CREATE INDEX CONCURRENTLY patients_name_idx ON patients (name);
RESET lock_timeout;
RESET statement_timeout;

-- Where others wait, the short timeout is right.
ALTER TABLE patients ADD COLUMN ward text;
