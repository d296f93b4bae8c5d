-- Reads every table that uses the domain, while nobody can write to it.
ALTER DOMAIN positive_int SET NOT NULL; -- MS227
ALTER DOMAIN public.plain_text SET NOT NULL; -- MS227

-- The same in other words, since 17.
CREATE DOMAIN billing."Code" AS text;
CREATE TABLE billing.codes (code billing."Code");
-- migration: 2_not_null
ALTER DOMAIN billing."Code" ADD CONSTRAINT code_present NOT NULL; -- MS227
