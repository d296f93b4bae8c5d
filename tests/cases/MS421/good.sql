ALTER TABLE patients ADD CONSTRAINT patients_age_low CHECK (age < 200);

-- The name of a primary key is that of its table, and the index has brought one.
ALTER TABLE logs_c ADD PRIMARY KEY (id);
ALTER TABLE imports ADD UNIQUE USING INDEX imports_line_idx;
CREATE TABLE "Lab Orders" (id bigint PRIMARY KEY, code text UNIQUE);
