-- Another name means nothing to Rails.
ALTER TABLE patients ADD COLUMN patient_type text;
ALTER TABLE staff ADD COLUMN "Type" text;

-- No text is no class.
ALTER TABLE archive ADD COLUMN type integer;

-- Nobody has rows in a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY);
ALTER TABLE wards ADD COLUMN type text;
