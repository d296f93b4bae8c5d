-- A column in the middle, one that is lost, one of another type, one with another name.
CREATE OR REPLACE VIEW active_patients AS SELECT id, email, name FROM patients; -- MS422
CREATE VIEW doctors AS SELECT id, name FROM staff;
CREATE OR REPLACE VIEW doctors AS SELECT id FROM staff WHERE role = 'doctor'; -- MS422
CREATE VIEW nurses AS SELECT id, name FROM staff;
CREATE OR REPLACE VIEW nurses AS SELECT id, name::varchar(50) FROM staff; -- MS422
CREATE VIEW clerks AS SELECT id, name FROM staff;
CREATE OR REPLACE VIEW public.clerks (number, name) AS SELECT id, name FROM staff; -- MS422

-- The * of today has another column than that of yesterday.
CREATE VIEW billing."Prices" AS SELECT r.*, 1 AS version FROM billing.rates AS r;
ALTER TABLE billing.rates ADD COLUMN currency text;
CREATE OR REPLACE VIEW billing."Prices" AS SELECT r.*, 1 AS version FROM billing.rates AS r; -- MS422

-- What a function returns is not known here.
CREATE VIEW numbers AS SELECT n.* FROM generate_series(1, 3) AS n;
CREATE OR REPLACE VIEW numbers AS SELECT n.* FROM generate_series(1, 5) AS n; -- MS422
