-- A rule that says the same can wait for its validation.
ALTER DOMAIN positive_int ADD CONSTRAINT positive_int_present CHECK (VALUE IS NOT NULL) NOT VALID;

-- Checks nothing.
ALTER DOMAIN plain_text DROP NOT NULL;

-- No table in use has a column of this domain.
CREATE DOMAIN "Score" AS integer;
ALTER DOMAIN "Score" SET NOT NULL;
CREATE TABLE scores (id integer, value "Score");
ALTER DOMAIN "Score" SET NOT NULL;
