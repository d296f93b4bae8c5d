-- The domain is checked by writing each row anew, even where the column is NULL.
ALTER TABLE patients ADD COLUMN floor positive_int; -- MS207
ALTER TABLE archive -- MS207
    ADD COLUMN note text,
    ADD COLUMN "copies" public.positive_int DEFAULT 1;
CREATE DOMAIN billing.code AS text NOT NULL DEFAULT 'none';
ALTER TABLE billing.rates ADD COLUMN code billing.code; -- MS207

-- A domain over such a one is checked as well.
CREATE DOMAIN "Tiny" AS positive_int;
ALTER TABLE staff ADD COLUMN floor "Tiny"; -- MS207
