-- transaction: no
-- The column first: new rows at once, old rows while everybody goes on.
ALTER TABLE archive ADD CONSTRAINT archive_id_present CHECK (id IS NOT NULL) NOT VALID;
ALTER TABLE archive VALIDATE CONSTRAINT archive_id_present;
CREATE UNIQUE INDEX CONCURRENTLY archive_pkey ON archive (id);
-- migration: 2_key
-- The valid CHECK spares it a look at the rows. The lock is held for a moment.
ALTER TABLE archive ADD CONSTRAINT archive_pkey PRIMARY KEY USING INDEX archive_pkey;
ALTER TABLE archive DROP CONSTRAINT archive_id_present;

-- A new table has no other users.
CREATE TABLE "Lab Orders" (id bigint);
ALTER TABLE "Lab Orders" ADD PRIMARY KEY (id);
