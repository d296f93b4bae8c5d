-- Rails takes each of these for the class of a row.
ALTER TABLE patients ADD COLUMN type text; -- MS321
ALTER TABLE billing.rates -- MS321
    ADD COLUMN note text,
    ADD COLUMN "type" varchar(255) NOT NULL DEFAULT 'Rate';
ALTER TABLE visits ADD COLUMN IF NOT EXISTS type citext; -- MS321
