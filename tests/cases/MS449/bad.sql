-- transaction: no
CREATE TABLE wards (id integer PRIMARY KEY); -- MS449
ALTER TABLE patients ADD COLUMN ward_id integer; -- MS449
ALTER TABLE patients ADD CONSTRAINT patients_ward_fk FOREIGN KEY (ward_id) REFERENCES wards; -- MS449
CREATE INDEX CONCURRENTLY "Wards of patients" ON patients (ward_id); -- MS449
DROP INDEX CONCURRENTLY patients_email_idx; -- MS449
ALTER TYPE staff_role ADD VALUE 'porter'; -- MS449
INSERT INTO wards VALUES (1); -- MS449
ALTER TABLE patients RENAME COLUMN code TO short_code; -- MS449
CREATE TRIGGER wards_touch BEFORE UPDATE ON wards FOR EACH ROW EXECUTE FUNCTION touch(); -- MS449
DROP VIEW active_patients; -- MS449
