-- The pattern is anchored, or it is none.
UPDATE patients SET notes = 'x' WHERE email LIKE 'p1%';
DELETE FROM archive WHERE payload = '%gone%';
UPDATE patients SET notes = '%x' WHERE id = 1;
