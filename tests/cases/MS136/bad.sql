SET LOCAL statement_timeout = '1h';
CREATE INDEX patients_name_idx ON patients (name); -- MS136
ALTER TABLE appointments ALTER COLUMN at SET NOT NULL;

-- migration: 2_off
SET LOCAL statement_timeout = 0;
ALTER TABLE billing.rates ALTER COLUMN id TYPE bigint; -- MS136
