-- transaction: no
-- First it becomes a table of its own, while queries go on.
ALTER TABLE logs DETACH PARTITION logs_a CONCURRENTLY;
DROP TABLE logs_a;

-- The whole table goes; a table that is no partition; an heir.
DROP TABLE visits;
DROP TABLE visits_2026;
DROP TABLE pumps;

-- A new table.
CREATE TABLE "Events" (day date) PARTITION BY RANGE (day);
CREATE TABLE "Events 2030" PARTITION OF "Events" FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
DROP TABLE "Events 2030";
