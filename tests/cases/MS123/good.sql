-- Readers go on; it has a unique index.
REFRESH MATERIALIZED VIEW CONCURRENTLY patient_counts;

-- Nobody could read it before.
CREATE MATERIALIZED VIEW billing."Sums" AS SELECT sum(price) AS total FROM billing.rates WITH NO DATA;
-- migration: 2_fill
REFRESH MATERIALIZED VIEW billing."Sums";
