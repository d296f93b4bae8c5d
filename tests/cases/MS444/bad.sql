SET LOCAL lock_timeout = '5s';
ALTER TABLE patients ADD COLUMN ward text; -- MS444
ALTER TABLE appointments ADD COLUMN ward text;

-- migration: 2_index
CREATE INDEX ON appointments ("roomNo"); -- MS444
