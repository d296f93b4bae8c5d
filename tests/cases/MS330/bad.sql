-- A trigger calls it: refused.
DROP FUNCTION touch(); -- MS330

-- A default calls it.
CREATE FUNCTION "Room No"() RETURNS integer LANGUAGE sql AS 'SELECT 1';
ALTER TABLE appointments ALTER COLUMN "roomNo" SET DEFAULT "Room No"();
DROP FUNCTION "Room No"; -- MS330

-- A view and a check call these.
CREATE VIEW tickets AS SELECT next_ticket() AS number;
DROP FUNCTION IF EXISTS next_ticket(); -- MS330
CREATE FUNCTION is_short(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT length($1) < 100';
ALTER TABLE scratch ADD CONSTRAINT scratch_short CHECK (is_short(note)) NOT VALID;
DROP FUNCTION is_short(text); -- MS330

-- Only the text of another function names it: dropped at once, and the caller fails afterwards.
CREATE FUNCTION remind() RETURNS timestamptz LANGUAGE plpgsql
    AS $$ BEGIN RETURN stable_now() + interval '1 day'; END $$;
DROP FUNCTION stable_now(); -- MS330

-- Who calls a function that no migration made is not known.
DROP FUNCTION IF EXISTS billing.tax(numeric); -- MS330
