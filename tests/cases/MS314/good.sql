-- The new column beside the old one; code writes both until nothing names the old one.
ALTER TABLE patients ADD COLUMN birthday date;
UPDATE patients SET birthday = birth WHERE id BETWEEN 1 AND 1000;

-- Nothing names a column or a table that this migration makes.
ALTER TABLE patients RENAME COLUMN birthday TO born_on;
CREATE TABLE wards (id integer PRIMARY KEY, beds integer);
ALTER TABLE wards RENAME COLUMN beds TO places;

-- Other rules speak of these.
ALTER TABLE archive RENAME TO attic;
ALTER TYPE address RENAME ATTRIBUTE city TO town CASCADE;
