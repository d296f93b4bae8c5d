-- Computed for each row at once, so that the table is written anew.
ALTER TABLE patients ADD COLUMN initials text GENERATED ALWAYS AS (left(name, 1)) STORED; -- MS203
ALTER TABLE appointments -- MS203
    ADD COLUMN "roomLabel" text GENERATED ALWAYS AS ('room ' || room_size) STORED NOT NULL,
    ADD COLUMN note text;
ALTER TABLE visits ADD COLUMN year integer GENERATED ALWAYS AS (date_part('year', day)::integer) STORED; -- MS203
