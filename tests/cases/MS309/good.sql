-- One batch by key, to be run until it deletes nothing.
DELETE FROM archive
 WHERE id IN (SELECT id FROM archive WHERE payload IS NULL ORDER BY id LIMIT 1000);

-- The WHERE says which.
DELETE FROM payments AS p USING invoices AS i WHERE i.id = p.invoice_id AND NOT i.paid;

-- A new table, and one of this session.
CREATE TABLE "Wards" (id integer, name text);
DELETE FROM "Wards";
CREATE TEMPORARY TABLE loaded (id integer);
DELETE FROM loaded;

-- Other statements that empty a table are other hazards.
TRUNCATE scratch_child;
