-- A table of its own columns changes alone, and does not take others along.
CREATE TABLE places (street text, city text);
-- migration: 2_column
ALTER TABLE places ADD COLUMN zip text;

-- No table follows this one, and no column holds it.
CREATE TYPE "Point 3" AS (x integer, y integer);
-- migration: 3_attribute
ALTER TYPE "Point 3" ADD ATTRIBUTE z integer, ALTER ATTRIBUTE x TYPE bigint;

-- Nobody uses a table that this migration makes.
CREATE TYPE size AS (width integer);
CREATE TABLE sizes OF size;
ALTER TYPE size ADD ATTRIBUTE height integer CASCADE;
