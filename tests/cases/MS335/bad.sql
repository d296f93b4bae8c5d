ALTER TABLE patients DROP COLUMN legacy_id; -- MS335
DROP TABLE archive; -- MS335
DELETE FROM clinical_notes WHERE "appointmentId" IS NULL; -- MS335
UPDATE staff SET name = upper(name); -- MS335
ALTER TYPE staff_role ADD VALUE 'Cook'; -- MS335
DROP SCHEMA billing CASCADE; -- MS335
TRUNCATE scratch_child; -- MS335
