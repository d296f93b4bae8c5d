-- A plain column, filled in batches, that is numbered from then on.
ALTER TABLE archive ADD COLUMN number bigint;
UPDATE archive SET number = id WHERE id BETWEEN 1 AND 1000;
ALTER TABLE archive ADD CONSTRAINT archive_number_present CHECK (number IS NOT NULL) NOT VALID;
-- migration: 2_validate
ALTER TABLE archive VALIDATE CONSTRAINT archive_number_present;
-- migration: 3_identity
ALTER TABLE archive ALTER COLUMN number SET NOT NULL;
ALTER TABLE archive DROP CONSTRAINT archive_number_present;
ALTER TABLE archive ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (START WITH 1001);

-- Nobody uses a table that this migration makes.
CREATE TABLE wards (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
CREATE TABLE beds (name text);
ALTER TABLE beds ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY;
