-- transaction: no
-- Look first: this has to return no row.
SELECT legacy_id FROM patients GROUP BY legacy_id HAVING count(*) > 1;
CREATE INDEX CONCURRENTLY patients_legacy_idx ON patients (legacy_id);

-- Another unique index proves it.
CREATE UNIQUE INDEX CONCURRENTLY ON imports (source, line);

-- A new column has no value in any row, and NULLs are not equal.
ALTER TABLE staff ADD COLUMN badge text;
CREATE UNIQUE INDEX CONCURRENTLY "Badges" ON staff (badge);

-- A new table has no row.
CREATE TABLE labs (id bigint, code text);
CREATE UNIQUE INDEX ON labs (code);
