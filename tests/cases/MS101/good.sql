-- transaction: no
-- A file of its own, which its runner does not wrap in a transaction. Nobody waits for the build.
CREATE INDEX CONCURRENTLY patients_name_idx ON patients (name);

-- A table that this migration makes has no other users, within a transaction and without.
CREATE TABLE "Lab Orders" (id bigint PRIMARY KEY, patient_id bigint NOT NULL);
CREATE INDEX ON "Lab Orders" (patient_id);
BEGIN;
CREATE TABLE billing.refunds (id bigint PRIMARY KEY, price numeric);
CREATE INDEX IF NOT EXISTS refunds_price_idx ON billing.refunds (price);
COMMIT;
CREATE MATERIALIZED VIEW room_counts AS
    SELECT "roomNo", count(*) AS total FROM appointments GROUP BY 1;
CREATE UNIQUE INDEX ON room_counts ("roomNo");
