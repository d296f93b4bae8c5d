-- SELECT DISTINCT * on these tables fails from here on.
ALTER TABLE staff ADD COLUMN settings json; -- MS322
ALTER TABLE billing.rates -- MS322
    ADD COLUMN note text,
    ADD COLUMN "Extra" json NOT NULL DEFAULT '{}';
ALTER TABLE visits ADD COLUMN payload json; -- MS322
