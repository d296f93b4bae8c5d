-- A new table that takes the place of the old one, with the constraint from the beginning.
CREATE TABLE bookings (
    id bigint PRIMARY KEY,
    room integer,
    during tstzrange,
    CONSTRAINT one_in_a_room EXCLUDE USING gist (room WITH =, during WITH &&)
);
ALTER TABLE bookings ADD EXCLUDE USING btree (room WITH =) WHERE (id < 0);
