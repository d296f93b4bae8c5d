-- Give up after five seconds, and try again later.
SET LOCAL lock_timeout = '5s';
ALTER TABLE patients ADD COLUMN ward text;

-- migration: 2_new
-- Nobody can wait for a table that is new, nor for its sequence and index.
CREATE TABLE wards (id integer PRIMARY KEY, name text);
CREATE SEQUENCE ward_seq;
ALTER SEQUENCE ward_seq OWNED BY wards.id;
CREATE INDEX ON wards (name);
ALTER TABLE wards ADD COLUMN beds integer;

-- migration: 3_gentle
-- What lets readers and writers through.
UPDATE billing.rates SET price = 1 WHERE id = 1;
ALTER TABLE invoices VALIDATE CONSTRAINT invoices_amount_check;
COMMENT ON TABLE patients IS 'treated here';
REFRESH MATERIALIZED VIEW CONCURRENTLY patient_counts;

-- migration: 4_config
SELECT set_config('lock_timeout', '2s', true);
DROP TABLE scratch_child;
