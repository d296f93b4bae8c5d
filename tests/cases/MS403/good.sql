-- transaction: no
-- Clears away what a failed try may have left.
DROP INDEX CONCURRENTLY IF EXISTS patients_name_idx;
CREATE INDEX CONCURRENTLY patients_name_idx ON patients (name);

-- Leaves nothing behind when it fails.
CREATE UNIQUE INDEX "Rates By Price" ON billing.rates (price);
