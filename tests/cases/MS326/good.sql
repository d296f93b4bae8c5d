-- To a role that others are members of; no lock blocks anybody.
GRANT SELECT ON patients TO pg_read_all_settings;
GRANT USAGE ON SCHEMA billing TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA billing GRANT SELECT ON TABLES TO pg_read_all_settings;

-- A new table, and a new function that not everybody is to call.
CREATE TABLE "Wards" (id integer);
GRANT SELECT ON "Wards" TO PUBLIC;
ALTER TABLE "Wards" OWNER TO CURRENT_USER;
CREATE FUNCTION secret() RETURNS integer LANGUAGE sql AS 'SELECT 1';
REVOKE ALL ON FUNCTION secret() FROM PUBLIC;
