-- Count what would change, and decide about it before.
SELECT count(*) FROM patients WHERE balance <> balance::numeric(10, 1);

-- Nothing is lost.
ALTER TABLE patients ALTER COLUMN balance TYPE numeric(12, 3);
ALTER TABLE patients ALTER COLUMN email TYPE text USING email::text;
ALTER TABLE patients ALTER COLUMN birth TYPE timestamp;
ALTER TABLE readings ALTER COLUMN small TYPE integer;
ALTER TABLE invoices ALTER COLUMN status TYPE varchar(40) USING status::varchar(40);

-- Refused where it does not fit; another rule speaks of it.
ALTER TABLE clinical_notes ALTER COLUMN state TYPE varchar(6);

-- What another expression does is its author's business.
ALTER TABLE patients ALTER COLUMN score TYPE integer USING round(score)::integer;

-- Nobody uses a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY, area numeric(10, 2));
ALTER TABLE wards ALTER COLUMN area TYPE integer;
