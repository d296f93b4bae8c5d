ALTER TABLE patients ADD COLUMN ward text;
SET LOCAL lock_timeout = '5s'; -- MS134
ALTER TABLE appointments ADD COLUMN ward text;

-- migration: 2_config
DROP TABLE billing.rates;
SELECT set_config('lock_timeout', '5s', true); -- MS134
