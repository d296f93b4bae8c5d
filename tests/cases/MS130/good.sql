-- A unique index on a NOT NULL column.
ALTER TABLE imports REPLICA IDENTITY USING INDEX imports_line_idx;

-- The primary key.
ALTER TABLE patients REPLICA IDENTITY DEFAULT;

-- A new table.
CREATE TABLE "Wards" (id integer);
ALTER TABLE "Wards" REPLICA IDENTITY FULL;
