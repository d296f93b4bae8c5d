UPDATE patients SET notes = 'x' WHERE email LIKE '%@example.org'; -- MS467
DELETE FROM archive WHERE payload ILIKE '%gone%'; -- MS467
CREATE VIEW "Second letter" AS SELECT id FROM staff WHERE name LIKE '_a%'; -- MS467
