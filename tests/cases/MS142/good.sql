-- One batch by key, to be run until it changes nothing.
UPDATE patients SET active = true
 WHERE id IN (SELECT id FROM patients WHERE active IS NULL ORDER BY id LIMIT 1000);

-- Only what needs it; which rows that are, the WHERE says.
UPDATE invoices SET status = 'paid' WHERE paid;

-- A new table, and one of this session.
CREATE TABLE "Wards" (id integer, name text);
UPDATE "Wards" SET name = 'ward';
CREATE TEMPORARY TABLE loaded (id integer);
UPDATE loaded SET id = 0;

-- At most one row, and none that is there.
INSERT INTO staff VALUES (1, 'again') ON CONFLICT (id) DO UPDATE SET name = 'again';
SELECT id FROM patients FOR UPDATE;
