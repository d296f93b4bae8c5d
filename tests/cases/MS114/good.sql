-- The foreign key first, so that each lock is short and can be tried again.
SET lock_timeout = '2s';
ALTER TABLE scratch_child DROP CONSTRAINT scratch_child_scratch_id_fkey;
RESET lock_timeout;

-- migration: 2_then_the_table
DROP TABLE scratch_child;

-- Nothing that stays is referred to.
DROP TABLE archive;
DROP TABLE readings;
CREATE TABLE labs (id bigint PRIMARY KEY);
CREATE TABLE samples (lab_id bigint REFERENCES labs);
DROP TABLE samples;
