-- Long enough.
CREATE TABLE wards (id bigint PRIMARY KEY, beds bigint, rate numeric);
ALTER TABLE patients ADD COLUMN visits bigint DEFAULT 0;
ALTER TABLE patients ALTER COLUMN legacy_id TYPE bigint;
CREATE TABLE beds (no bigserial);

-- There already, so that nothing happens; and an attribute of a type.
ALTER TABLE patients ADD COLUMN IF NOT EXISTS age integer;
CREATE TYPE pair AS (one integer, two integer);
