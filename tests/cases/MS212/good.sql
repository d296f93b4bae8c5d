-- server: 18
-- Another column beside it, computed when it is read.
ALTER TABLE archive ADD COLUMN area integer GENERATED ALWAYS AS (id * 2) VIRTUAL;
ALTER TABLE archive ADD COLUMN area2 integer GENERATED ALWAYS AS (id * 4) VIRTUAL;

-- migration: 2_change
-- A VIRTUAL column has no values that could be rewritten.
ALTER TABLE archive ALTER COLUMN area SET EXPRESSION AS (id * 3);

-- Nobody uses a table that this migration makes.
CREATE TABLE beds (width integer, area integer GENERATED ALWAYS AS (width * 2) STORED);
ALTER TABLE beds ALTER COLUMN area SET EXPRESSION AS (width * 3);
