-- No CHECK says that kind is 'c' only.
ALTER TABLE logs ATTACH PARTITION logs_c FOR VALUES IN ('c'); -- MS224

-- The CHECK lets NULL pass.
CREATE TABLE billing."Sums" (month date, total numeric) PARTITION BY RANGE (month);
CREATE TABLE billing.sums_2024 (month date, total numeric,
    CHECK (month >= '2024-01-01' AND month < '2025-01-01'));
-- Its CHECK is not valid, and of another one the bound is wider than the partition's.
CREATE TABLE billing.sums_2025 (month date NOT NULL, total numeric);
ALTER TABLE billing.sums_2025 ADD CHECK (month >= '2025-01-01' AND month < '2026-01-01') NOT VALID;
CREATE TABLE billing.sums_2026 (month date NOT NULL, total numeric,
    CHECK (month BETWEEN '2026-01-01' AND '2027-01-01'));
-- It lacks the index of its parent to be.
CREATE INDEX ON billing."Sums" (total);
CREATE TABLE billing.sums_2027 (month date NOT NULL, total numeric,
    CHECK (month >= '2027-01-01' AND month < '2028-01-01'));

-- migration: 2_attach
ALTER TABLE billing."Sums" ATTACH PARTITION billing.sums_2024 -- MS224
    FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
ALTER TABLE billing."Sums" ATTACH PARTITION billing.sums_2025 -- MS224
    FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
ALTER TABLE billing."Sums" ATTACH PARTITION billing.sums_2026 -- MS224
    FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
ALTER TABLE billing."Sums" ATTACH PARTITION billing.sums_2027 -- MS224
    FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
