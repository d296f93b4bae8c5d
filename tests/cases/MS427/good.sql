-- Every name has its schema, and the path is fixed.
CREATE FUNCTION add_staff(name text) RETURNS void LANGUAGE sql SECURITY DEFINER
    SET search_path = '' AS 'INSERT INTO public.staff (id, name) VALUES (100, $1)';
CREATE PROCEDURE tidy() LANGUAGE sql SECURITY DEFINER SET search_path TO billing, pg_temp
    AS 'SELECT 1';
ALTER FUNCTION touch() SECURITY DEFINER SET search_path = '';

-- With the rights of whoever calls it.
CREATE FUNCTION "Plain"() RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION invoked() RETURNS integer LANGUAGE sql SECURITY INVOKER AS 'SELECT 1';
ALTER FUNCTION invoked() STABLE;
