-- live: archive extension=pg_partman
-- live: rates extension=postgis
ALTER TABLE archive ADD COLUMN note text; -- MS338
CREATE INDEX "Rates Idx" ON billing.rates (price); -- MS338
DROP TABLE archive; -- MS338
