-- A row that is there stays as it is.
INSERT INTO staff (id, name) VALUES (1, 'Dr. Who') ON CONFLICT DO NOTHING;
INSERT INTO billing.rates VALUES (1, 10), (101, 20) ON CONFLICT (id) DO UPDATE SET price = 10;

-- No key is given; there is none; it is computed; old rows went before.
INSERT INTO patients (name, mrn) SELECT 'Ann', 'MRN' || max(id) + 1 FROM patients;
INSERT INTO archive VALUES (1, 'payload');
INSERT INTO payments (id, amount) VALUES ((SELECT max(id) + 1 FROM payments), 5);
DELETE FROM scratch_child WHERE id = 1;
INSERT INTO scratch_child (id) VALUES (1);

-- A new table.
CREATE TABLE "Wards" (id integer PRIMARY KEY, name text);
INSERT INTO "Wards" VALUES (1, 'first');
