-- Look first: this has to return no row.
SELECT id FROM invoices WHERE (amount >= 0) IS FALSE;

-- What is valid is not read again.
ALTER TABLE patients VALIDATE CONSTRAINT patients_age_check;

-- A new table has no row.
CREATE TABLE "Lab Orders" (id bigint PRIMARY KEY);
ALTER TABLE "Lab Orders" ADD CONSTRAINT "Id" CHECK (id > 0) NOT VALID;
ALTER TABLE "Lab Orders" VALIDATE CONSTRAINT "Id";
