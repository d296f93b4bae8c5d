-- transaction: no
-- A file of its own, which its runner does not wrap in a transaction. Since PostgreSQL 12.
REINDEX INDEX CONCURRENTLY patients_email_idx;
REINDEX (CONCURRENTLY) TABLE billing.rates;

-- A table that this migration makes has no other users.
CREATE TABLE triage (id integer PRIMARY KEY, level integer);
REINDEX TABLE triage;
