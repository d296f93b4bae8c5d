-- The tables are named, so that a reader sees what is lost.
TRUNCATE scratch, scratch_child;

-- No table has a foreign key to it.
TRUNCATE archive CASCADE;

-- All of them are new.
CREATE TABLE "Groups" (id integer PRIMARY KEY);
CREATE TABLE members (group_id integer REFERENCES "Groups");
TRUNCATE "Groups" CASCADE;
