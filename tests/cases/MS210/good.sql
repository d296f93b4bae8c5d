-- Without the CHECK there is nothing to read; it comes back NOT VALID.
ALTER TABLE appointments DROP CONSTRAINT appointments_room_size_check;
ALTER TABLE appointments ALTER COLUMN room_size TYPE varchar(40);
ALTER TABLE appointments ADD CONSTRAINT appointments_room_size_check
    CHECK (length(room_size) < 15) NOT VALID;
-- migration: 2_validate
ALTER TABLE appointments VALIDATE CONSTRAINT appointments_room_size_check;

-- A CHECK that was never validated stays so.
ALTER TABLE invoices ALTER COLUMN amount TYPE numeric(12, 2);

-- No CHECK names these.
ALTER TABLE patients ALTER COLUMN email TYPE text;
ALTER TABLE visits ALTER COLUMN kind TYPE varchar;

-- A rewrite checks on the way; another rule speaks of it.
ALTER TABLE patients ALTER COLUMN age TYPE bigint;
