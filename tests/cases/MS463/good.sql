-- The columns are named.
CREATE VIEW everybody AS SELECT id, name FROM patients;
INSERT INTO devices (id, name) SELECT id, name FROM staff;

-- What keeps no columns.
SELECT * FROM patients;
CREATE VIEW counted AS SELECT count(*) AS n FROM patients;
CREATE VIEW treated AS
    SELECT id FROM patients WHERE EXISTS (SELECT * FROM appointments WHERE patient_id = patients.id);
