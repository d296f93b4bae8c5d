ALTER TABLE imports ADD PRIMARY KEY USING INDEX imports_source_idx; -- MS216
CREATE UNIQUE INDEX "Archive By Id" ON archive (id);
ALTER TABLE archive ADD CONSTRAINT archive_pkey PRIMARY KEY USING INDEX "Archive By Id"; -- MS216
