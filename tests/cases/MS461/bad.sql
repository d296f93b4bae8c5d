CREATE TABLE "Triage" ( -- MS461
    id integer PRIMARY KEY,
    "firstName" text
);
ALTER TABLE patients ADD COLUMN "home ward" text; -- MS461
ALTER TABLE patients RENAME COLUMN email TO "user"; -- MS461
CREATE INDEX "Patients_name" ON patients (name); -- MS461
ALTER TABLE billing.rates ADD CONSTRAINT "Price" CHECK (price > 0); -- MS461
CREATE VIEW "Wards" AS SELECT 1 AS id; -- MS461
CREATE TYPE "Colour" AS ENUM ('red'); -- MS461
