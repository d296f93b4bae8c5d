-- Reads every table that uses the domain, while nobody can write to it.
ALTER DOMAIN positive_int ADD CONSTRAINT positive_int_small CHECK (VALUE < 9000); -- MS226
ALTER DOMAIN public.plain_text ADD CHECK (VALUE <> ''); -- MS226

-- Validating does the same.
ALTER DOMAIN positive_int ADD CONSTRAINT positive_int_odd CHECK (VALUE <> 13) NOT VALID;
ALTER DOMAIN positive_int VALIDATE CONSTRAINT positive_int_odd; -- MS226
