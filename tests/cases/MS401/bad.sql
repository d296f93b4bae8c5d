-- Every marked setting is still in force when the next migration begins.
SET lock_timeout = '5s';
SET SESSION statement_timeout TO 0; -- MS401
SET "DateStyle" = 'ISO, DMY'; -- MS401
SET TIME ZONE 'UTC'; -- MS401
SET ROLE clinic_owner; -- MS401
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; -- MS401

-- Only the last SET of a setting leaks.
SET work_mem = '1GB';
SET work_mem = '2GB'; -- MS401

-- What pg_dump writes: false means the whole session.
SELECT pg_catalog.set_config('search_path', '', false); -- MS401
SELECT set_config('app.' || 'tenant', 'x', false); -- MS401

-- SET LOCAL undoes nothing of the session, and RESET only its own setting.
SET LOCAL maintenance_work_mem = '1GB';
SET maintenance_work_mem = '1GB'; -- MS401
SET LOCAL maintenance_work_mem TO DEFAULT;
RESET lock_timeout;

ALTER TABLE appointments ADD COLUMN note text;
