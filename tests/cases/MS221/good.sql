-- A new table with the method, the rows in batches, then the names.
CREATE TABLE archive_new (LIKE archive INCLUDING ALL) USING heap;
INSERT INTO archive_new SELECT * FROM archive WHERE id BETWEEN 1 AND 1000;
ALTER TABLE archive RENAME TO archive_old;
ALTER TABLE archive_new RENAME TO archive;

-- A new table.
CREATE TABLE "Wards" (id integer);
ALTER TABLE "Wards" SET ACCESS METHOD heap;
