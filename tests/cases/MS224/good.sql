-- The CHECK keeps new rows right, and reads none of the old ones …
ALTER TABLE logs_c ADD CONSTRAINT logs_c_kind CHECK (kind = 'c' AND kind IS NOT NULL) NOT VALID;
CREATE TABLE "Logs D" (id bigint NOT NULL, kind text NOT NULL CHECK (kind IN ('d', 'D')), body text);
INSERT INTO "Logs D" VALUES (1, 'd', 'line');

-- migration: 2_validate
-- … they are read while everybody goes on …
ALTER TABLE logs_c VALIDATE CONSTRAINT logs_c_kind;

-- migration: 3_attach
-- … and need not be read again.
ALTER TABLE logs ATTACH PARTITION logs_c FOR VALUES IN ('c');
ALTER TABLE logs_c DROP CONSTRAINT logs_c_kind;

-- Its CHECK allows less than the bound, and its key is NOT NULL.
ALTER TABLE logs ATTACH PARTITION "Logs D" FOR VALUES IN ('d', 'D', 'e');

-- A new table.
CREATE TABLE logs_f (id bigint NOT NULL, kind text, body text);
ALTER TABLE logs ATTACH PARTITION logs_f FOR VALUES IN ('f');
