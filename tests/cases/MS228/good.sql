-- The rows with the old label first, then a type without it.
UPDATE staff SET role = 'nurse' WHERE role = 'clerk';
CREATE TYPE staff_role_new AS ENUM ('doctor', 'nurse');
ALTER TABLE staff ALTER COLUMN role TYPE staff_role_new
    USING (CASE role WHEN 'doctor' THEN 'doctor' ELSE 'nurse' END)::staff_role_new;

-- Nothing is missing in this one.
CREATE TYPE dose_unit_new AS ENUM ('mg', 'ml', 'drop');
ALTER TABLE doses ALTER COLUMN unit TYPE dose_unit_new USING unit::text::dose_unit_new;

-- Nobody has rows in a table that this migration makes.
CREATE TYPE wide AS ENUM ('a', 'b');
CREATE TYPE narrow AS ENUM ('a');
CREATE TABLE letters (letter wide);
ALTER TABLE letters ALTER COLUMN letter TYPE narrow USING letter::text::narrow;
