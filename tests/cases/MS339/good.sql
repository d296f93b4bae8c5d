-- A constant default is kept once and fills the rows that are there.
ALTER TABLE patients ADD COLUMN country text NOT NULL DEFAULT 'CH';

-- Or nullable first, filled in batches, and required later.
ALTER TABLE staff ADD COLUMN badge_no integer;
UPDATE staff SET badge_no = id WHERE id BETWEEN 1 AND 1000;

-- These fill themselves.
ALTER TABLE archive ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY;
ALTER TABLE archive ADD COLUMN size integer NOT NULL GENERATED ALWAYS AS (length(payload)) STORED;
ALTER TABLE devices ADD COLUMN position serial NOT NULL;

-- Nobody has rows in a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY);
ALTER TABLE wards ADD COLUMN beds integer NOT NULL;

-- There already, so that nothing happens.
ALTER TABLE patients ADD COLUMN IF NOT EXISTS name text NOT NULL;
