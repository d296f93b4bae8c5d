UPDATE patients SET active = true; -- MS142
UPDATE ONLY billing.rates AS r SET price = price * 2 WHERE true; -- MS142
UPDATE visits SET kind = 'visit' WHERE 1 = 1; -- MS142

-- A cross join: every row again.
UPDATE clinical_notes AS n SET state = s.name FROM staff AS s; -- MS142

-- Inside of a WITH.
WITH done AS (UPDATE invoices SET status = 'open' RETURNING id) -- MS142
INSERT INTO archive SELECT id, 'reopened' FROM done;
