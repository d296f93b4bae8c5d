-- transaction: no
-- Queries of the whole table wait.
ALTER TABLE logs DETACH PARTITION logs_a; -- MS127
ALTER TABLE visits DETACH PARTITION visits_2024; -- MS127

-- Refused: there is a default partition.
ALTER TABLE visits DETACH PARTITION visits_2025 CONCURRENTLY; -- MS127

CREATE TABLE billing."Sums" (month date) PARTITION BY RANGE (month);
CREATE TABLE billing.sums_1 PARTITION OF billing."Sums" DEFAULT;
-- migration: 2_detach
ALTER TABLE billing."Sums" DETACH PARTITION billing.sums_1; -- MS127
