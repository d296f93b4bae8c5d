SET LOCAL lock_timeout = '5s';
ALTER TABLE patients ADD COLUMN ward text; -- MS445

-- migration: 2_index
CREATE INDEX ON appointments ("roomNo"); -- MS445
