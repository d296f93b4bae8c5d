-- A second column of the new type, filled in batches; readers change over later.
ALTER TABLE patients ADD COLUMN legacy_big bigint;
UPDATE patients SET legacy_big = legacy_id WHERE id BETWEEN 1 AND 1000;

-- What the new type holds as it is.
ALTER TABLE readings ALTER COLUMN kind TYPE varchar(60) USING kind::varchar(60);
ALTER TABLE readings ALTER COLUMN kind TYPE text;
ALTER TABLE patients ALTER COLUMN balance TYPE numeric(12, 2);
ALTER TABLE patients ALTER COLUMN ip TYPE inet, ALTER COLUMN created TYPE timestamp(6);
ALTER TABLE readings ALTER COLUMN flags TYPE varbit, ALTER COLUMN wait TYPE interval(3);
ALTER TABLE archive ALTER COLUMN payload TYPE plain_text;
ALTER TABLE patients ALTER COLUMN notes TYPE text COLLATE "C";

-- In UTC a timestamp is the same with a time zone, since 12.
SET LOCAL TimeZone = 'UTC';
ALTER TABLE readings ALTER COLUMN taken TYPE timestamptz USING taken::timestamptz;

-- Nobody uses a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY, beds smallint);
ALTER TABLE wards ALTER COLUMN beds TYPE integer;
