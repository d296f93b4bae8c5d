-- Every column once.
CREATE INDEX patients_name_idx ON patients (name, birth);
CREATE TABLE triage (id integer, day date, PRIMARY KEY (id, day));

-- The same column by itself and in an expression, and columns that differ in their case.
CREATE INDEX ON patients (name, lower(name));
ALTER TABLE triage ADD COLUMN "Day" date;
ALTER TABLE triage ADD CONSTRAINT triage_days_key UNIQUE (day, "Day");
