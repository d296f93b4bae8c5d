-- Require it of new rows at once, under a moment's lock.
ALTER TABLE patients ADD CONSTRAINT patients_legacy_present
    CHECK (legacy_id IS NOT NULL) NOT VALID;

-- migration: 2_validate
-- Read the older rows while everybody works.
ALTER TABLE patients VALIDATE CONSTRAINT patients_legacy_present;

-- migration: 3_not_null
-- Now the CHECK proves it, and nothing is read.
ALTER TABLE patients ALTER COLUMN legacy_id SET NOT NULL;
ALTER TABLE patients DROP CONSTRAINT patients_legacy_present;

-- migration: 4_proven
-- A part of an AND proves it as well, and on a parent for all its partitions.
ALTER TABLE readings ALTER COLUMN unit SET NOT NULL;
ALTER TABLE visits ADD CONSTRAINT visits_kind_present CHECK (kind IS NOT NULL AND kind <> '');
ALTER TABLE visits ALTER COLUMN kind SET NOT NULL;

-- Since 18 the constraint itself can wait for its validation.
ALTER TABLE staff ADD CONSTRAINT staff_role_present NOT NULL role NOT VALID;
-- migration: 5_validate
ALTER TABLE staff VALIDATE CONSTRAINT staff_role_present;
ALTER TABLE staff ALTER COLUMN role SET NOT NULL;

-- Already so.
ALTER TABLE patients ALTER COLUMN id SET NOT NULL;
ALTER TABLE appointments ALTER COLUMN patient_id SET NOT NULL;

-- Nobody uses a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY, beds integer);
ALTER TABLE wards ALTER COLUMN beds SET NOT NULL;
