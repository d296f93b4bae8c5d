-- One lock at a time: the column, then the key without a check, then the check with weaker locks.
ALTER TABLE patients ADD COLUMN doctor_id integer;
ALTER TABLE patients ADD CONSTRAINT patients_doctor_fk
    FOREIGN KEY (doctor_id) REFERENCES staff NOT VALID;
-- migration: 2_validate
ALTER TABLE patients VALIDATE CONSTRAINT patients_doctor_fk;

-- Nobody uses a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY);
ALTER TABLE wards ADD COLUMN head_id integer REFERENCES staff;

-- There already, so that nothing happens.
ALTER TABLE appointments ADD COLUMN IF NOT EXISTS staff_id integer REFERENCES staff;

-- Since 18: a key that is not enforced checks nothing.
ALTER TABLE archive ADD COLUMN staff_id integer REFERENCES staff NOT ENFORCED;
