-- One batch by key, to be run until it changes nothing.
UPDATE patients SET active = false
 WHERE id IN (SELECT id FROM patients WHERE seen < '2024-01-01' ORDER BY id LIMIT 1000);
UPDATE patients SET active = false WHERE seen < '2024-01-01' AND id BETWEEN 1 AND 1000;
DELETE FROM clinical_notes WHERE id >= 2001 AND id < 3001 AND "appointmentId" IS NULL;

-- Rows by their keys.
UPDATE staff SET name = 'Dr. Who' WHERE id = 3;
DELETE FROM invoices WHERE id IN (18, 20) AND paid IS NULL;
UPDATE billing.rates AS r SET price = v.price
  FROM (VALUES (1, 10), (2, 20)) AS v (id, price) WHERE v.id = r.id;

-- A new table.
CREATE TABLE "Wards" (id integer, name text);
DELETE FROM "Wards" WHERE name IS NULL;
