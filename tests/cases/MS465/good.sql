-- NOT EXISTS asks each row for itself.
DELETE FROM scratch_child WHERE NOT EXISTS (SELECT FROM scratch WHERE scratch.id = scratch_id);

-- A column that is NOT NULL, a list of values, and IN.
DELETE FROM patients WHERE id NOT IN (SELECT patient_id FROM appointments) AND id > 40;
UPDATE patients SET notes = 'x' WHERE name NOT IN ('a', 'b') AND id = 1;
DELETE FROM scratch_child WHERE scratch_id IN (SELECT id FROM scratch WHERE note IS NULL);
UPDATE patients SET notes = 'x' WHERE NOT active AND id = 1;
