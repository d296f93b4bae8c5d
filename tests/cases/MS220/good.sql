-- transaction: no
-- A new index in the other tablespace, built beside the old one; pg_repack does that for a table.
CREATE INDEX CONCURRENTLY patients_email_moved ON patients (email) TABLESPACE pg_default;
DROP INDEX CONCURRENTLY patients_email_idx;
ALTER INDEX patients_email_moved RENAME TO patients_email_idx;

-- A new table, and a table whose new partitions alone go there.
CREATE TABLE "Wards" (id integer) TABLESPACE pg_default;
ALTER TABLE "Wards" SET TABLESPACE pg_default;
ALTER TABLE visits SET TABLESPACE pg_default;
