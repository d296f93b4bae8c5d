-- transaction: no
-- timeouts: statement_timeout=0
SET lock_timeout = '5s';
CREATE INDEX CONCURRENTLY patients_name_idx ON patients (name); -- MS146
REINDEX TABLE CONCURRENTLY billing.rates; -- MS146
DROP INDEX CONCURRENTLY public.readings_label_idx; -- MS146
RESET lock_timeout;
SET statement_timeout = 30000;
CREATE INDEX CONCURRENTLY "Notes by room" ON clinical_notes ("appointmentId"); -- MS146
