-- transaction: no
-- The file alone says where its transactions begin and end.
BEGIN;
ALTER TABLE patients ADD COLUMN ward text;
COMMIT;
START TRANSACTION;
ALTER TABLE appointments ADD COLUMN ward text;
ROLLBACK;

-- Parts of one.
BEGIN;
SAVEPOINT before;
ALTER TABLE appointments ADD COLUMN ward text;
ROLLBACK TO SAVEPOINT before;
RELEASE SAVEPOINT before;
COMMIT;
