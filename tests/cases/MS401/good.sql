-- Ends with the transaction.
SET LOCAL lock_timeout = '5s';
SELECT set_config('search_path', 'clinic', true);
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;
SET CONSTRAINTS ALL DEFERRED;

-- Undone by name, whatever its case.
SET Statement_Timeout = 0;
SET "TimeZone" = 'UTC';
SET search_path TO clinic, public;
SELECT set_config('work_mem', '1GB', false);
SET ROLE clinic_owner;
UPDATE appointments SET note = 'SET search_path = x';
RESET statement_timeout;
RESET TIME ZONE;
SET search_path TO DEFAULT;
RESET work_mem;
RESET ROLE;

-- Kept by a role, a database or a function, on purpose.
ALTER ROLE clinic SET search_path = clinic;
ALTER DATABASE ehr SET timezone = 'UTC';
CREATE FUNCTION f() RETURNS integer LANGUAGE sql SET search_path = '' AS 'SELECT 1';
