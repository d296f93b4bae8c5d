-- visits_rest may have rows of that year.
ALTER TABLE visits ATTACH PARTITION visits_2026 -- MS225
    FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE visits_2030 PARTITION OF visits FOR VALUES FROM ('2030-01-01') TO ('2031-01-01'); -- MS225

-- A CHECK, but not one that keeps those rows out.
CREATE TABLE "Logs Rest" PARTITION OF logs DEFAULT;
ALTER TABLE "Logs Rest" ADD CHECK (kind <> 'd');
-- migration: 2_more
CREATE TABLE billing.logs_e PARTITION OF logs FOR VALUES IN ('d', 'e'); -- MS225
