-- Take the name away first: what still uses the table is noticed, and the rows are still there.
ALTER TABLE archive RENAME TO archive_dropped_in_june;

-- A table of this migration, and one of this session.
CREATE TABLE "Staging" (id integer);
INSERT INTO "Staging" SELECT id FROM staff;
DROP TABLE "Staging";
CREATE TEMPORARY TABLE loaded (id integer);
DROP TABLE loaded;

-- Not tables.
DROP VIEW active_patients;
DROP SEQUENCE ticket_seq;
DROP INDEX readings_label_idx;
