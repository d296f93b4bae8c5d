-- The index goes with its constraint.
ALTER TABLE scratch_child DROP CONSTRAINT scratch_child_pkey;

-- What no constraint needs.
DROP INDEX imports_line_idx;
DROP INDEX IF EXISTS patients_email_idx;
CREATE UNIQUE INDEX rates_id_idx ON billing.rates (id);
DROP INDEX billing.rates_id_idx;
