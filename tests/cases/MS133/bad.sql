SET LOCAL lock_timeout = '1min';
ALTER TABLE patients ADD COLUMN ward text; -- MS133
ALTER TABLE appointments ADD COLUMN ward text;

-- migration: 2_off
SET LOCAL lock_timeout = 0;
DROP INDEX "patients_email_idx"; -- MS133

-- migration: 3_config
SELECT set_config('lock_timeout', '11s', true);
TRUNCATE billing.rates; -- MS133
