-- The default partition says that it has none of them …
ALTER TABLE visits_rest ADD CONSTRAINT before_2024 CHECK (day < '2024-01-01') NOT VALID;

-- migration: 2_validate
ALTER TABLE visits_rest VALIDATE CONSTRAINT before_2024;

-- migration: 3_attach
-- … and is not read.
ALTER TABLE visits ATTACH PARTITION visits_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE "Visits 2030" PARTITION OF visits FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');

-- No default partition; and one that is new.
CREATE TABLE logs_d PARTITION OF logs FOR VALUES IN ('d');
CREATE TABLE logs_rest PARTITION OF logs DEFAULT;
CREATE TABLE logs_e PARTITION OF logs FOR VALUES IN ('e');
