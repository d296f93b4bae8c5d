-- With the partition key, in whichever place.
ALTER TABLE logs ADD PRIMARY KEY (id, kind);
CREATE TABLE "Scans" (id bigint, taken date, PRIMARY KEY (taken, id)) PARTITION BY RANGE (taken);
CREATE UNIQUE INDEX ON visits (day, id, kind);

-- A partition holds its own rows by itself, and an index that is not unique promises nothing.
CREATE UNIQUE INDEX ON visits_2024 (id);
CREATE INDEX ON visits (id);
