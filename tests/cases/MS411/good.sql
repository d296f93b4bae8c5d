-- Look for what cannot be read, then say how the rest is.
UPDATE patients SET notes = NULL WHERE notes !~ '^[0-9]+$';
ALTER TABLE patients ALTER COLUMN notes TYPE integer
    USING CASE WHEN notes ~ '^[0-9]+$' THEN notes::integer END;

-- The default goes before the change, in the same statement, and comes back after it.
CREATE TYPE shift_kind AS ENUM ('day', 'night');
CREATE TABLE shifts (id integer, kind text DEFAULT 'day');
ALTER TABLE shifts
    ALTER COLUMN kind DROP DEFAULT,
    ALTER COLUMN kind TYPE shift_kind USING kind::shift_kind;
ALTER TABLE shifts ALTER COLUMN kind SET DEFAULT 'night';

-- Everything becomes text, and numbers become one another.
ALTER TABLE staff ALTER COLUMN role TYPE text;
ALTER TABLE patients ALTER COLUMN data TYPE jsonb, ALTER COLUMN score TYPE numeric;
ALTER TABLE doses ALTER COLUMN amount TYPE bigint, ALTER COLUMN label TYPE varchar;
ALTER TABLE invoices ALTER COLUMN paid TYPE integer USING paid::integer;
