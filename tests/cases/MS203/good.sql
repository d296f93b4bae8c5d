-- Since 18 a column can be computed when it is read; adding it writes nothing.
ALTER TABLE patients ADD COLUMN initials text GENERATED ALWAYS AS (left(name, 1)) VIRTUAL;

-- Before 18: a plain column, which a trigger fills for new rows and batches fill for older ones.
ALTER TABLE appointments ADD COLUMN room_label text;
UPDATE appointments SET room_label = 'room ' || room_size WHERE id BETWEEN 1 AND 1000;

-- Nobody uses a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY, beds integer);
ALTER TABLE wards ADD COLUMN double integer GENERATED ALWAYS AS (beds * 2) STORED;
