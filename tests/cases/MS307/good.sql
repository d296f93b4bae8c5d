-- Only what is not needed, in batches by key; readers and writers of other rows go on.
DELETE FROM archive WHERE id IN (SELECT id FROM archive WHERE id < 5 ORDER BY id LIMIT 1000);

-- A table of this migration, and one of this session.
CREATE TABLE "Staging" (id integer);
TRUNCATE "Staging";
CREATE TEMPORARY TABLE loaded (id integer);
TRUNCATE loaded;
