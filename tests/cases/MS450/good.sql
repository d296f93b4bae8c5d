-- The statements are written out, one by one.
ALTER TABLE visits ADD COLUMN note text;

-- A block whose statements stand in it, with a text that is constant, for a list that is constant.
DO $$
DECLARE
    tables CONSTANT text[] := ARRAY['patients', 'appointments'];
    suffix text := 'remark';
    one text;
    command text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class WHERE relname = 'gone') THEN
        ALTER TABLE billing.rates ADD COLUMN note text;
    END IF;
    FOREACH one IN ARRAY tables LOOP
        command := format('ALTER TABLE %I ADD COLUMN %s text', one, suffix);
        EXECUTE command;
    END LOOP;
EXCEPTION
    WHEN duplicate_column THEN RAISE NOTICE 'there already';
END
$$;

-- A function whose body is known, and functions of the server's.
CREATE FUNCTION refill() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    changed integer;
BEGIN
    UPDATE archive SET payload = 'x' WHERE id = 1;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;
SELECT refill();
SELECT setval('ticket_seq', 10), now();
SELECT stable_now();
