CREATE INDEX patients_lower_idx ON patients (lower(name));
-- Now the planner knows how often each value occurs.
ANALYZE patients;

-- A column has had its statistics before.
CREATE INDEX ON billing.rates (price);

-- Autovacuum analyzes a new table when it has got its rows.
CREATE TABLE labs (id bigint, code text);
CREATE INDEX ON labs (upper(code));

-- migration: 2_everything
CREATE INDEX ON billing.rates ((price * 2));
ANALYZE;
