-- Every column once.
INSERT INTO staff (id, name) VALUES (90, 'a');
UPDATE patients SET name = 'a', email = 'b' WHERE id = 1;

-- Parts of one column, and columns that differ in their case.
CREATE TABLE triage (id integer, "Id" integer, beds integer[], place address);
INSERT INTO triage (id, "Id") VALUES (1, 2);
UPDATE triage SET beds[1] = 1, beds[2] = 2, place.street = 'a', place.city = 'b';
UPDATE triage SET id = 1, "Id" = 1;
INSERT INTO billing.rates (id, price) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET price = 3;
