-- The runner has begun a transaction.
BEGIN; -- MS447
ALTER TABLE patients ADD COLUMN ward text;
COMMIT; -- MS447
UPDATE billing.rates SET price = 1 WHERE id = 1;
ROLLBACK; -- MS447
