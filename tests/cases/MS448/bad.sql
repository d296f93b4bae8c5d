-- transaction: no
ALTER TABLE patients ADD COLUMN ward text;
BEGIN; -- MS448
ALTER TABLE appointments ADD COLUMN ward text;
SAVEPOINT filled;
UPDATE appointments SET ward = 'a';
RELEASE SAVEPOINT filled;
