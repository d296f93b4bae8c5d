-- The policies come first, in the same transaction.
CREATE POLICY own_rows ON patients USING (name = current_user);
ALTER TABLE patients ENABLE ROW LEVEL SECURITY;

-- Or just after; nobody sees what is in between.
ALTER TABLE billing.rates ENABLE ROW LEVEL SECURITY;
CREATE POLICY "all" ON billing.rates FOR SELECT USING (true);

-- Replaced in one transaction, shown more, or not there at all.
DROP POLICY own_rows ON patients;
CREATE POLICY own_rows ON patients USING (name = session_user);
CREATE POLICY doctors ON patients FOR SELECT USING (current_user = 'doctor');
DROP POLICY IF EXISTS nobody ON staff;

-- A new table.
CREATE TABLE "Wards" (id integer);
ALTER TABLE "Wards" ENABLE ROW LEVEL SECURITY;
