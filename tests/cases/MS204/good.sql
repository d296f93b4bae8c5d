-- The parts of a serial, one after another.
ALTER TABLE archive ADD COLUMN number bigint;
CREATE SEQUENCE archive_number_seq OWNED BY archive.number;
ALTER TABLE archive ALTER COLUMN number SET DEFAULT nextval('archive_number_seq');
UPDATE archive SET number = nextval('archive_number_seq') WHERE id BETWEEN 1 AND 1000;

-- Nobody uses a table that this migration makes.
CREATE TABLE wards (id serial PRIMARY KEY);
ALTER TABLE wards ADD COLUMN position serial;

-- There already, so that nothing happens.
ALTER TABLE staff ADD COLUMN IF NOT EXISTS id serial;
