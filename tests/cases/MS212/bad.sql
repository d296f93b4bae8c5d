-- server: 17
ALTER TABLE readings ADD COLUMN area integer GENERATED ALWAYS AS (small * small) STORED;
ALTER TABLE visits ADD COLUMN "Label" text GENERATED ALWAYS AS (kind || '!') STORED;

-- migration: 2_change
-- Computes every row anew.
ALTER TABLE readings ALTER COLUMN area SET EXPRESSION AS (small * small * 2); -- MS212
ALTER TABLE visits ALTER COLUMN "Label" SET EXPRESSION AS (kind || '?'); -- MS212
