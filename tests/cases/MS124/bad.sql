-- It has no unique index.
REFRESH MATERIALIZED VIEW CONCURRENTLY staff_counts; -- MS124

-- Only for some rows.
CREATE MATERIALIZED VIEW billing."Prices" AS SELECT id, price FROM billing.rates;
CREATE UNIQUE INDEX ON billing."Prices" (id) WHERE price > 0;
REFRESH MATERIALIZED VIEW CONCURRENTLY billing."Prices"; -- MS124

-- Never filled.
CREATE MATERIALIZED VIEW names AS SELECT id, name FROM staff WITH NO DATA;
CREATE UNIQUE INDEX names_idx ON names (id);
REFRESH MATERIALIZED VIEW CONCURRENTLY names; -- MS124
