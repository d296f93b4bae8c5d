-- A digest has the same length for every value, and serves equality.
CREATE INDEX patients_doc_idx ON patients (md5(doc::text));
-- GIN indexes the parts.
CREATE INDEX patients_doc_parts_idx ON patients USING gin (doc);

-- Short by their type, or too common to doubt each.
CREATE INDEX ON patients (email, name, seen);
CREATE INDEX ON patients USING hash (doc);

-- A new table has no row.
CREATE TABLE labs (id bigint, result jsonb);
CREATE INDEX ON labs (result);
