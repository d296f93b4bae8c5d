INSERT INTO staff (id, name, name) VALUES (90, 'a', 'b'); -- MS458
UPDATE patients SET name = 'a', email = 'b', name = 'c'; -- MS458
UPDATE patients SET (name, email) = ('a', 'b'), "name" = 'c'; -- MS458
INSERT INTO billing.rates (id, price) VALUES (1, 2) -- MS458
    ON CONFLICT (id) DO UPDATE SET price = 3, price = 4;
CREATE TABLE triage (id integer, "Id" integer, id bigint); -- MS458
