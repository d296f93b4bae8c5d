-- No policy: from then on queries of other roles return nothing.
ALTER TABLE patients ENABLE ROW LEVEL SECURITY; -- MS122
ALTER TABLE billing.rates FORCE ROW LEVEL SECURITY; -- MS122

-- The last policy goes.
CREATE POLICY "own rows" ON staff USING (name = current_user);
ALTER TABLE staff ENABLE ROW LEVEL SECURITY;
DROP POLICY "own rows" ON staff; -- MS122

-- A policy that only takes away, and one that becomes another.
CREATE POLICY nobody ON staff AS RESTRICTIVE USING (false); -- MS122
ALTER POLICY nobody ON staff USING (name IS NOT NULL); -- MS122

-- Every row is shown.
ALTER TABLE staff DISABLE ROW LEVEL SECURITY; -- MS122
ALTER TABLE billing.rates NO FORCE ROW LEVEL SECURITY; -- MS122
