CREATE VIEW everybody AS SELECT * FROM patients; -- MS463
CREATE VIEW both_sides AS SELECT id FROM staff UNION SELECT p.* FROM (SELECT 1) AS p; -- MS463
CREATE TABLE kept AS SELECT * FROM billing.rates; -- MS463
INSERT INTO scales SELECT * FROM scales; -- MS463
