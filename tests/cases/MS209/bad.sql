-- Held in another way, so that every row is written anew.
ALTER TABLE patients ALTER COLUMN legacy_id TYPE bigint; -- MS209
ALTER TABLE invoices ALTER COLUMN amount TYPE numeric(12, 3); -- MS209
ALTER TABLE readings ALTER COLUMN kind SET DATA TYPE varchar(20); -- MS209
ALTER TABLE clinical_notes ALTER COLUMN state TYPE char(8); -- MS209
ALTER TABLE doses ALTER COLUMN label TYPE varchar(40); -- MS209

-- Whatever USING computes is written.
ALTER TABLE archive ALTER COLUMN payload TYPE text USING lower(payload); -- MS209

-- A domain's rule is checked by writing each row anew.
ALTER TABLE appointments ALTER COLUMN "roomNo" TYPE positive_int; -- MS209

-- Without a time zone in force that is known to be UTC.
ALTER TABLE readings ALTER COLUMN taken TYPE timestamptz; -- MS209

-- Partitions are written anew too.
ALTER TABLE visits ALTER COLUMN kind TYPE staff_role USING NULL; -- MS209
