-- The rule for what is written from here on; older rows are checked in a quiet hour.
ALTER DOMAIN positive_int ADD CONSTRAINT positive_int_small CHECK (VALUE < 9000) NOT VALID;

-- These check nothing.
ALTER DOMAIN positive_int DROP CONSTRAINT positive_int_check;
ALTER DOMAIN positive_int SET DEFAULT 1;

-- No table in use has a column of this domain.
CREATE DOMAIN "Score" AS integer;
CREATE TABLE scores (id integer, value "Score");
ALTER DOMAIN "Score" ADD CONSTRAINT score_check CHECK (VALUE >= 0);
