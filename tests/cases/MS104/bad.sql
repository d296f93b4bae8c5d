CREATE INDEX visits_kind_idx ON visits (kind); -- MS104
CREATE UNIQUE INDEX IF NOT EXISTS visits_day_id_idx ON public.visits (day, id); -- MS104
-- The parent is new, but a table with readers and writers is attached to it.
CREATE TABLE imports_all (LIKE imports) PARTITION BY RANGE (line);
ALTER TABLE imports_all ATTACH PARTITION imports FOR VALUES FROM (1) TO (1000);
CREATE INDEX ON imports_all (batch); -- MS104
