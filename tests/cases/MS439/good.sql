-- A CHECK can be changed for itself.
CREATE TABLE wards (id bigint PRIMARY KEY, name text CHECK (length(name) <= 50));
ALTER TABLE patients ADD COLUMN country text;
ALTER TABLE patients ALTER COLUMN email TYPE text;

-- Without a limit it is text; char is another rule's.
ALTER TABLE archive ADD COLUMN note varchar;
ALTER TABLE archive ADD COLUMN code char(2);
