-- transaction: no
-- Queries go on; it waits for those that still see the partition.
ALTER TABLE logs DETACH PARTITION logs_a CONCURRENTLY;

-- A new table.
CREATE TABLE "Events" (day date) PARTITION BY RANGE (day);
CREATE TABLE "Events 2030" PARTITION OF "Events" FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
ALTER TABLE "Events" DETACH PARTITION "Events 2030";
