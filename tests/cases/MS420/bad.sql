ALTER TABLE logs ADD PRIMARY KEY (id); -- MS420
CREATE TABLE "Scans" (id bigint PRIMARY KEY, taken date) PARTITION BY RANGE (taken); -- MS420
CREATE UNIQUE INDEX ON visits (id); -- MS420
CREATE TABLE billing.parts (id bigint, UNIQUE (id)) PARTITION BY HASH ((id % 7)); -- MS420
