-- There is somebody with this number.
INSERT INTO staff (id, name) VALUES (1, 'Dr. Who'); -- MS424
INSERT INTO billing.rates VALUES (100, 10), (101, 20); -- MS424
INSERT INTO visits (kind, day, id) VALUES ('visit', '2024-06-01'::date, 900); -- MS424

-- The unique column is not the primary key.
INSERT INTO patients (name, mrn) VALUES ('Ann', 'MRN 900'); -- MS424
WITH made AS (INSERT INTO scratch VALUES (900, 'x') RETURNING id) SELECT id FROM made; -- MS424
