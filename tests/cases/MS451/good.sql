-- The migration works as a whole or not at all.
ALTER TABLE patients ADD COLUMN ward text;
UPDATE patients SET ward = 'a' WHERE id = 1;
