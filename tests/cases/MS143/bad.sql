UPDATE patients SET active = false WHERE seen < now() - interval '1 year'; -- MS143
DELETE FROM clinical_notes WHERE "appointmentId" IS NULL; -- MS143

-- Not a unique column.
UPDATE visits SET kind = 'first' WHERE day = '2024-05-01'; -- MS143

-- As many as the other table has.
UPDATE billing.rates AS r SET price = i.amount FROM invoices AS i WHERE i.id = r.id; -- MS143
WITH gone AS (DELETE FROM archive WHERE payload LIKE '%1' RETURNING id) SELECT * FROM gone; -- MS143
