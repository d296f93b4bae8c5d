-- Written anew, and empty after the next crash.
ALTER TABLE archive SET UNLOGGED; -- MS219
ALTER TABLE archive SET LOGGED; -- MS219
ALTER TABLE billing.rates SET UNLOGGED; -- MS219

-- A logged table has a foreign key to it: refused.
ALTER TABLE staff SET UNLOGGED; -- MS219
