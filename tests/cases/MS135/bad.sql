SET LOCAL lock_timeout = '5s';
ALTER TABLE patients ADD COLUMN ward text; -- MS135
CREATE INDEX ON appointments ("roomNo");

-- migration: 2_reset
SET LOCAL statement_timeout = '5s';
RESET statement_timeout;
DROP TABLE billing.rates; -- MS135
