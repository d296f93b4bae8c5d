-- live: patients bytes=40000000000
-- live: rates bytes=2000000000
ALTER TABLE patients ALTER COLUMN legacy_id TYPE bigint; -- MS230
CREATE INDEX patients_name_idx ON patients (name); -- MS230
UPDATE patients SET name = upper(name); -- MS230
DELETE FROM billing.rates; -- MS230
REINDEX INDEX patients_email_idx; -- MS230
