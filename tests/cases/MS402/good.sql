-- transaction: no
-- A file of its own, which its runner does not wrap in a transaction.
CREATE INDEX CONCURRENTLY patients_name_idx ON patients (name);
REINDEX TABLE CONCURRENTLY billing.rates;

-- A transaction that is closed before.
BEGIN;
ALTER TABLE patients ADD COLUMN ward text;
COMMIT;
VACUUM patients;

-- What does not refuse a transaction, in spite of its name.
BEGIN;
CREATE UNIQUE INDEX ON staff_counts (total);
REFRESH MATERIALIZED VIEW CONCURRENTLY staff_counts;
COMMIT;
