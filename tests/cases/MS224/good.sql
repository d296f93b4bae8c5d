-- The CHECK keeps new rows right, and reads none of the old ones …
ALTER TABLE logs_c ADD CONSTRAINT logs_c_kind CHECK (kind = 'c' AND kind IS NOT NULL) NOT VALID;

-- migration: 2_validate
-- … they are read while everybody goes on …
ALTER TABLE logs_c VALIDATE CONSTRAINT logs_c_kind;

-- migration: 3_attach
-- … and need not be read again.
ALTER TABLE logs ATTACH PARTITION logs_c FOR VALUES IN ('c');
ALTER TABLE logs_c DROP CONSTRAINT logs_c_kind;

-- Its bound is a valid CHECK, its key is NOT NULL, its primary key is there.
ALTER TABLE visits ATTACH PARTITION visits_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');

-- A new table.
CREATE TABLE "Logs D" (id bigint NOT NULL, kind text, body text);
ALTER TABLE logs ATTACH PARTITION "Logs D" FOR VALUES IN ('d');
