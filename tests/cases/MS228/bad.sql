-- A new type without a label; its rows are in the way.
CREATE TYPE staff_role_new AS ENUM ('doctor', 'nurse');
ALTER TABLE staff ALTER COLUMN role TYPE staff_role_new USING (role::text::staff_role_new); -- MS228

-- migration: 2_renamed_first
ALTER TYPE dose_unit RENAME TO dose_unit_old;
CREATE TYPE dose_unit AS ENUM ('ml', 'drop');
ALTER TABLE doses ALTER COLUMN unit TYPE dose_unit USING unit::text::dose_unit; -- MS228
