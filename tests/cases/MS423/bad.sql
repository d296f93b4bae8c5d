-- The foreign key of payments to invoices is checked at COMMIT.
INSERT INTO payments (id, invoice_id, amount) VALUES (100, 1, 12.50);
ALTER TABLE payments ADD COLUMN note text; -- MS423
CREATE INDEX payments_invoice_idx ON payments (invoice_id); -- MS423
TRUNCATE payments; -- MS423

-- migration: 2_parent
-- The rows of a parent wait too, when the key that is pointed to goes.
DELETE FROM invoices WHERE id = 19;
ALTER TABLE invoices ADD COLUMN note text; -- MS423

-- migration: 3_deferred_here
CREATE TABLE "Rooms" (id integer PRIMARY KEY, staff_id integer REFERENCES staff DEFERRABLE);
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO "Rooms" SELECT 1, 1;
ALTER TABLE "Rooms" ADD COLUMN name text; -- MS423

-- migration: 4_update
UPDATE payments SET invoice_id = 3 WHERE id = 2;
ALTER TABLE payments ALTER COLUMN invoice_id SET NOT NULL; -- MS423
DROP TABLE payments; -- MS423
