-- transaction: no
DROP DATABASE IF EXISTS old_clinic; -- MS304
DROP DATABASE IF EXISTS "Old Clinic" WITH (FORCE); -- MS304
