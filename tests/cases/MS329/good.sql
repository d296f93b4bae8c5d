-- The column gets the new type, then nothing has the old one.
ALTER TYPE dose_unit RENAME TO old_dose_unit;
CREATE TYPE dose_unit AS ENUM ('mg', 'ml', 'drop');
ALTER TABLE doses ALTER COLUMN unit TYPE dose_unit USING unit::text::dose_unit;
DROP TYPE old_dose_unit;

-- The column goes first.
ALTER TABLE doses DROP COLUMN amount;
DROP DOMAIN positive_int;

-- A type that nothing has.
CREATE TYPE "Colour" AS ENUM ('red');
DROP TYPE "Colour";
