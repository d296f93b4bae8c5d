INSERT INTO staff VALUES (100, 'temporary', 'nurse'); -- MS426
INSERT INTO billing.rates SELECT 100 + n, n FROM generate_series(1, 3) AS n; -- MS426
INSERT INTO visits -- MS426
VALUES (100, '2024-06-01', 'visit');

-- A new table, and a WITH.
CREATE TABLE "Wards" (id integer, name text);
INSERT INTO "Wards" TABLE archive; -- MS426
WITH made AS (INSERT INTO archive VALUES (11, 'x') RETURNING id) SELECT * FROM made; -- MS426
