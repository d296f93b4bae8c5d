-- transaction: no
CREATE INDEX CONCURRENTLY IF NOT EXISTS patients_name_idx ON patients (name); -- MS332
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "Rates By Price" -- MS332
    ON billing.rates (price);
-- Another one is cleared away.
DROP INDEX CONCURRENTLY IF EXISTS staff_role_idx;
CREATE INDEX CONCURRENTLY IF NOT EXISTS staff_name_idx ON staff (name); -- MS332
