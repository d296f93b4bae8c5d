-- A new table, the rows in batches, then the names.
CREATE UNLOGGED TABLE archive_new (LIKE archive INCLUDING ALL);
INSERT INTO archive_new SELECT * FROM archive WHERE id BETWEEN 1 AND 1000;
ALTER TABLE archive RENAME TO archive_old;
ALTER TABLE archive_new RENAME TO archive;

-- It is logged already; nothing is written.
ALTER TABLE billing.rates SET LOGGED;

-- A new table.
CREATE UNLOGGED TABLE "Staging" (id integer);
ALTER TABLE "Staging" SET LOGGED;
