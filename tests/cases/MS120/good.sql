-- Replaced in place: writers wait for a moment, readers do not.
CREATE OR REPLACE TRIGGER patients_touch BEFORE UPDATE OF name ON patients
    FOR EACH ROW EXECUTE FUNCTION touch();

-- A trigger that is not there.
DROP TRIGGER IF EXISTS staff_touch ON staff;

-- A new table.
CREATE TABLE "Wards" (id integer);
CREATE TRIGGER wards_touch BEFORE UPDATE ON "Wards" FOR EACH ROW EXECUTE FUNCTION touch();
DROP TRIGGER wards_touch ON "Wards";
