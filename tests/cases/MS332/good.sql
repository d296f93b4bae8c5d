-- transaction: no
-- Clears away what a failed try may have left.
DROP INDEX CONCURRENTLY IF EXISTS patients_name_idx;
CREATE INDEX CONCURRENTLY IF NOT EXISTS patients_name_idx ON patients (name);

-- Fails where the index is there in whatever state.
CREATE UNIQUE INDEX CONCURRENTLY "Rates By Price" ON billing.rates (price);

-- Leaves nothing behind when it fails.
CREATE INDEX IF NOT EXISTS staff_name_idx ON staff (name);

-- migration: 2_looks_first
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_index WHERE NOT indisvalid) THEN
        RAISE 'an index is INVALID';
    END IF;
END $$;
CREATE INDEX CONCURRENTLY IF NOT EXISTS staff_role_idx ON staff (role);
