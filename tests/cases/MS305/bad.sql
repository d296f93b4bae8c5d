-- transaction: no
DROP TABLESPACE IF EXISTS old_disk; -- MS305
DROP TABLESPACE IF EXISTS "Fast Disk"; -- MS305
