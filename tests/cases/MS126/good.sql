-- A table of its own, which is attached: reading and writing of visits go on.
CREATE TABLE visits_2030 (
    LIKE visits INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES,
    CONSTRAINT visits_2030_bound CHECK (day >= '2030-01-01' AND day < '2031-01-01')
);
ALTER TABLE visits ATTACH PARTITION visits_2030 FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');

-- It is there; nothing is locked.
CREATE TABLE IF NOT EXISTS visits_2024 PARTITION OF visits FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');

-- A new partitioned table, and an heir.
CREATE TABLE "Events" (day date) PARTITION BY RANGE (day);
CREATE TABLE "Events 2030" PARTITION OF "Events" FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
CREATE TABLE monitors (screen text) INHERITS (devices);
