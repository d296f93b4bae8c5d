-- transaction: no
-- Runs beside readers and writers; the space is used again.
VACUUM (ANALYZE) archive;
VACUUM (FULL false, VERBOSE false) billing.rates;
ANALYZE patients;

-- Only says in which order a later CLUSTER is to be.
ALTER TABLE patients CLUSTER ON patients_pkey;

-- A new table.
CREATE TABLE "Wards" (id integer PRIMARY KEY);
CLUSTER "Wards" USING "Wards_pkey";
