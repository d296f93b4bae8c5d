-- A unique index on plain columns, made while nobody uses the view.
CREATE MATERIALIZED VIEW names AS SELECT id, name FROM staff WITH NO DATA;
CREATE UNIQUE INDEX "Names" ON names (id);
REFRESH MATERIALIZED VIEW names;
REFRESH MATERIALIZED VIEW CONCURRENTLY names;

-- It has had one for long.
REFRESH MATERIALIZED VIEW CONCURRENTLY patient_counts;

-- Another hazard.
REFRESH MATERIALIZED VIEW staff_counts;
