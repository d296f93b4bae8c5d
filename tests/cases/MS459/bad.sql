CREATE INDEX patients_name_idx ON patients (name, birth, name); -- MS459
CREATE INDEX ON billing.rates (price) INCLUDE (id, price); -- MS459
CREATE TABLE triage (id integer, PRIMARY KEY (id, id)); -- MS459
ALTER TABLE invoices ADD CONSTRAINT invoices_status_key UNIQUE (status, status); -- MS459
ALTER TABLE appointments ADD CONSTRAINT "Room" UNIQUE ("roomNo", at, "roomNo"); -- MS459
