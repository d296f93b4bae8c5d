-- server: 17
-- Each partition's own, and the parent's when all are valid.
ALTER TABLE logs_a ADD CONSTRAINT logs_a_patient_fk FOREIGN KEY (id) REFERENCES patients NOT VALID;
ALTER TABLE logs_b ADD CONSTRAINT logs_b_patient_fk FOREIGN KEY (id) REFERENCES patients NOT VALID;
-- migration: 2_validate
ALTER TABLE logs_a VALIDATE CONSTRAINT logs_a_patient_fk;
ALTER TABLE logs_b VALIDATE CONSTRAINT logs_b_patient_fk;
-- migration: 3_parent
ALTER TABLE logs ADD CONSTRAINT logs_patient_fk FOREIGN KEY (id) REFERENCES patients;
