-- New rows are checked at once, old ones while everybody goes on.
ALTER TABLE imports ADD CONSTRAINT imports_source_present CHECK (source IS NOT NULL) NOT VALID;
-- migration: 2_validate
ALTER TABLE imports VALIDATE CONSTRAINT imports_source_present;
-- migration: 3_key
-- Since PostgreSQL 12 the valid CHECK spares it a look at the rows.
ALTER TABLE imports ADD CONSTRAINT imports_pkey PRIMARY KEY USING INDEX imports_source_idx;

-- A column that is NOT NULL.
CREATE UNIQUE INDEX logs_c_id_idx ON logs_c (id);
ALTER TABLE logs_c ADD PRIMARY KEY USING INDEX logs_c_id_idx;

-- A new table has no row.
CREATE TABLE "Lab Orders" (id bigint);
CREATE UNIQUE INDEX "Orders" ON "Lab Orders" (id);
ALTER TABLE "Lab Orders" ADD PRIMARY KEY USING INDEX "Orders";
