-- Checked before the table is altered; nothing is pending then.
INSERT INTO payments (id, invoice_id, amount) VALUES (100, 1, 12.50);
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE payments ADD COLUMN note text;

-- migration: 2_separate
-- Rows in one migration, the table in another.
UPDATE payments SET invoice_id = 3 WHERE id = 2;
-- migration: 3_separate
ALTER TABLE payments ALTER COLUMN note SET DEFAULT 'none';

-- migration: 4_other
-- Another column than the key; a DELETE on the side that points; a constraint that waits for nothing.
UPDATE payments SET amount = 0 WHERE id = 2;
DELETE FROM payments WHERE id = 4;
ALTER TABLE payments ADD COLUMN "paidAt" timestamptz;
INSERT INTO appointments (id, patient_id) VALUES (100, 1);
ALTER TABLE appointments ADD COLUMN note text;

-- migration: 5_named
INSERT INTO payments (id, invoice_id, amount) VALUES (101, 1, 12.50);
SET CONSTRAINTS payments_invoice_id_fkey IMMEDIATE;
DROP TABLE payments;
