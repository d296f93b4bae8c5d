-- Two columns of the row itself.
ALTER TABLE patients ADD COLUMN entered date DEFAULT CURRENT_DATE;
ALTER TABLE patients ADD CONSTRAINT born CHECK (birth <= entered) NOT VALID;

ALTER TABLE patients ADD CONSTRAINT plain CHECK (length(lower(name)) < 900) NOT VALID;
CREATE TABLE "Lab Orders" (id bigint DEFAULT next_ticket(), day date CHECK (day > '2000-01-01'));
