-- Which table is altered depends on the catalog.
DO $$
DECLARE
    part record;
BEGIN
    FOR part IN SELECT inhrelid::regclass AS name FROM pg_inherits WHERE inhparent = 'visits'::regclass LOOP
        EXECUTE format('ALTER TABLE %s ADD COLUMN note text', part.name); -- MS450
    END LOOP;
END
$$;

-- A text that changes on its way, and one that a query returns.
DO LANGUAGE plpgsql $body$
DECLARE
    wanted text := 'SELECT 1';
    found text;
BEGIN
    wanted := wanted || ' FROM ' || 'patients';
    EXECUTE wanted; -- MS450
    SELECT 'SELECT 2' INTO found;
    EXECUTE found; -- MS450
END
$body$;

-- Functions of the server that run a text, and one that is put together within another.
CREATE FUNCTION clear(which text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'TRUNCATE ' || quote_ident(which);
END $$;
SELECT clear('archive'); -- MS450
PREPARE counting AS SELECT count(*) FROM patients;
EXECUTE counting; -- MS450
