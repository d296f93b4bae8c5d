-- Only a text of digits is cast; for others the key is NULL.
CREATE INDEX patients_number_idx
    ON patients ((CASE WHEN notes ~ '^[0-9]{1,9}$' THEN length(notes) END));

-- What cannot fail.
CREATE INDEX ON patients (lower(name), (age::bigint));
CREATE INDEX ON patients ((doc ->> 'a'), (id::text), (id % 7));
CREATE INDEX ON invoices (status) WHERE status = 'open'::text;

-- A new table has no row.
CREATE TABLE labs (id bigint, code text);
CREATE INDEX ON labs ((code::integer));
