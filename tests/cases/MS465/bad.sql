DELETE FROM staff WHERE id NOT IN (SELECT staff_id FROM appointments); -- MS465
UPDATE patients SET notes = 'x' WHERE name NOT IN ('a', NULL); -- MS465
CREATE VIEW rest AS SELECT id FROM clinical_notes -- MS465
    WHERE id NOT IN (SELECT "appointmentId" FROM clinical_notes);
