ALTER TABLE patients ADD COLUMN ward text;
SAVEPOINT filled; -- MS451
UPDATE patients SET ward = 'a' WHERE id = 1;
RELEASE SAVEPOINT filled;
