CREATE VIEW drawn AS SELECT id FROM patients ORDER BY random() LIMIT 1; -- MS468
INSERT INTO archive (id) SELECT id FROM staff ORDER BY random() * 2; -- MS468
