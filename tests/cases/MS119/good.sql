-- What the trigger does is changed in its function, which locks no table.
CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN NEW.notes := 'touched'; RETURN NEW; END $$;

-- A new table.
CREATE TABLE "Wards" (id integer);
CREATE TRIGGER wards_touch BEFORE UPDATE ON "Wards" FOR EACH ROW EXECUTE FUNCTION touch();

-- Instead of writing to a view.
CREATE TRIGGER active_write INSTEAD OF INSERT ON active_patients
    FOR EACH ROW EXECUTE FUNCTION touch();
