-- live: archive extension=pg_partman
-- A table of one's own beside it.
CREATE TABLE archive_notes (archive_id integer, note text);
ALTER TABLE archive_notes ADD COLUMN "at" timestamptz;

-- Not an extension's.
ALTER TABLE billing.rates ADD COLUMN note text;
DROP TABLE scratch_child;
