-- Nobody can read the table until COMMIT.
DROP TRIGGER patients_touch ON patients; -- MS120

-- The one that is made afterwards comes too late for the lock.
CREATE TRIGGER "On Write" BEFORE INSERT ON billing.rates FOR EACH ROW EXECUTE FUNCTION touch();
DROP TRIGGER IF EXISTS "On Write" ON billing.rates; -- MS120
CREATE TRIGGER "On Write" BEFORE INSERT ON billing.rates FOR EACH ROW EXECUTE FUNCTION touch();
DROP TRIGGER "On Write" ON billing.rates CASCADE; -- MS120

-- Of a table that is not known, a trigger may be there.
DROP TRIGGER IF EXISTS late ON billing.notes; -- MS120
