-- The table keeps its rows.
ALTER TABLE archive ADD COLUMN IF NOT EXISTS details jsonb;
CREATE TABLE IF NOT EXISTS archive (id bigint, payload text);

-- A table of this migration.
CREATE TABLE "Staging" (id integer);
DROP TABLE IF EXISTS "Staging";
CREATE TABLE "Staging" (id bigint);

-- The new table has another name, or is in another schema.
DROP TABLE scratch_child;
CREATE TABLE billing.scratch_child (id integer);
