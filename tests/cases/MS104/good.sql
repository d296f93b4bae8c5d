-- transaction: no
-- The parent's index is made without building anything, and is INVALID at first.
CREATE INDEX logs_kind_idx ON ONLY logs (kind);
-- Each partition's own index is built while everybody goes on.
CREATE INDEX CONCURRENTLY logs_a_kind_idx ON logs_a (kind);
CREATE INDEX CONCURRENTLY logs_b_kind_idx ON logs_b (kind);
-- With the last one attached, the parent's index is valid.
ALTER INDEX logs_kind_idx ATTACH PARTITION logs_a_kind_idx;
ALTER INDEX logs_kind_idx ATTACH PARTITION logs_b_kind_idx;

-- A table that this migration makes has no other users.
CREATE TABLE "Scans" (id bigint, taken date) PARTITION BY RANGE (taken);
CREATE TABLE "Scans 2026" PARTITION OF "Scans" FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE INDEX ON "Scans" (taken);
