-- The column, then the rule for new rows, then the check with a weaker lock.
ALTER TABLE patients ADD COLUMN weight numeric;
ALTER TABLE patients ADD CONSTRAINT patients_weight_check CHECK (weight > 0) NOT VALID;
-- migration: 2_validate
ALTER TABLE patients VALIDATE CONSTRAINT patients_weight_check;

-- Since 18: a rule that is not enforced reads nothing.
ALTER TABLE staff ADD COLUMN grade integer CHECK (grade > 0) NOT ENFORCED;

-- Nobody uses a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY);
ALTER TABLE wards ADD COLUMN beds integer CHECK (beds > 0);
