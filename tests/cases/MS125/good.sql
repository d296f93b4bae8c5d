-- Filled after the migration, before anybody reads it.
CREATE MATERIALIZED VIEW names AS SELECT id, name FROM staff WITH NO DATA;
-- migration: 2_fill
REFRESH MATERIALIZED VIEW names;

-- A new table, and no table at all.
CREATE TABLE "Wards" (id integer);
CREATE MATERIALIZED VIEW ward_ids AS SELECT id FROM "Wards";
CREATE MATERIALIZED VIEW numbers AS SELECT n FROM generate_series(1, 10) AS n;

-- A plain table.
CREATE TABLE staff_copy AS SELECT * FROM staff;
