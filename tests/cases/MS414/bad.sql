-- server: 17
ALTER TABLE visits ADD CONSTRAINT visits_patient_fk -- MS414
    FOREIGN KEY (id) REFERENCES patients NOT VALID;
CREATE TABLE "Scans" (id bigint, taken date) PARTITION BY RANGE (taken);
ALTER TABLE "Scans" ADD FOREIGN KEY (id) REFERENCES patients NOT VALID; -- MS414
