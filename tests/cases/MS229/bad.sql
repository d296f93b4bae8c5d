-- live: patients bytes=40000000000
-- live: rates bytes=2000000000
-- live: patient_counts bytes=5000000000
-- A second copy of the table and its indexes.
ALTER TABLE patients ALTER COLUMN legacy_id TYPE bigint; -- MS229
ALTER TABLE billing.rates SET UNLOGGED; -- MS229
CLUSTER patients USING patients_pkey; -- MS229
REFRESH MATERIALIZED VIEW patient_counts; -- MS229
