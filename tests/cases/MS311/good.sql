-- First the code that reads NULL, then this.
ALTER TABLE patients ADD COLUMN nickname text NOT NULL DEFAULT '';
ALTER TABLE patients ALTER COLUMN nickname DROP NOT NULL;

-- Already nullable.
ALTER TABLE patients ALTER COLUMN email DROP NOT NULL;
ALTER TABLE visits ALTER COLUMN kind DROP NOT NULL;

-- Nobody reads a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY, beds integer NOT NULL);
ALTER TABLE wards ALTER COLUMN beds DROP NOT NULL;
