-- A view where others look, over the table where it is.
CREATE VIEW billing.archive AS SELECT * FROM archive;

-- Nothing names a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY);
ALTER TABLE wards SET SCHEMA billing;

-- Roles and databases have paths of their own.
ALTER ROLE CURRENT_USER SET search_path = public, billing;
ALTER ROLE CURRENT_USER RESET search_path;
