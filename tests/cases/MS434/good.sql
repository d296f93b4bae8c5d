-- A table of values, which a foreign key refers to.
CREATE TABLE shifts (name text PRIMARY KEY);
INSERT INTO shifts VALUES ('day'), ('night');

-- Or a CHECK.
CREATE TABLE plans (id integer PRIMARY KEY, shift text CHECK (shift IN ('day', 'night')));

-- Other types.
CREATE TYPE pair AS (one integer, two integer);
CREATE DOMAIN label AS text;
