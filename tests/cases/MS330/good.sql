-- Replaced, not dropped: whoever calls it calls the new one.
CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;

-- Nothing calls it any more.
DROP TRIGGER patients_touch ON patients;
DROP FUNCTION touch();

-- Dropped and made again with other arguments; the text that calls it finds the new one.
CREATE FUNCTION remind() RETURNS timestamptz LANGUAGE plpgsql
    AS $$ BEGIN RETURN stable_now() + interval '1 day'; END $$;
DROP FUNCTION stable_now();
CREATE FUNCTION stable_now(shift interval DEFAULT '0') RETURNS timestamptz LANGUAGE sql STABLE
    AS 'SELECT now() + shift';

-- Nothing known calls it.
DROP FUNCTION inlined_one();
