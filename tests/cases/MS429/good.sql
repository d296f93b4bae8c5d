-- A partition is one, too, and unique indexes and foreign keys know of it.
CREATE TABLE visits_2030 PARTITION OF visits FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');

-- Its columns, but not its rows.
CREATE TABLE "Monitors" (LIKE devices INCLUDING ALL, screen text);

-- No heir any more.
ALTER TABLE pumps NO INHERIT devices;
