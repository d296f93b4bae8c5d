-- server: 14
-- transaction: no
CREATE INDEX CONCURRENTLY patients_name_idx ON patients (name); -- MS334
CREATE UNIQUE INDEX CONCURRENTLY ON billing.rates (price); -- MS334
REINDEX INDEX CONCURRENTLY patients_email_idx; -- MS334
REINDEX (CONCURRENTLY) TABLE readings; -- MS334
