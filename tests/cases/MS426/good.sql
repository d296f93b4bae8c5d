-- The columns are named.
INSERT INTO staff (id, name, role) VALUES (100, 'temporary', 'nurse');
INSERT INTO billing.rates (price, id) SELECT n, 100 + n FROM generate_series(1, 3) AS n;

-- Nothing but defaults.
CREATE TABLE "Wards" (id serial, name text);
INSERT INTO "Wards" DEFAULT VALUES;
