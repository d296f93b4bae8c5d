-- Wait for the moment's lock only as long as others can wait for you.
SET LOCAL lock_timeout = '2s';

-- Nobody uses a table that this migration makes.
CREATE TABLE scans (id integer PRIMARY KEY, image bytea);
ALTER TABLE scans ALTER COLUMN image SET STORAGE EXTERNAL;
CREATE TABLE letters (id integer PRIMARY KEY, body text STORAGE EXTERNAL COMPRESSION pglz);
