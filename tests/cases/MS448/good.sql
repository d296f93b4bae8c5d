-- transaction: no
BEGIN;
ALTER TABLE appointments ADD COLUMN ward text;
COMMIT;

-- A block ends its own transaction.
DO $$ BEGIN UPDATE patients SET notes = 'x' WHERE id = 1; END $$;
START TRANSACTION;
UPDATE patients SET notes = 'y' WHERE id = 1;
END;
