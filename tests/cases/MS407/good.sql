-- The wider index first; then the one that it makes superfluous goes.
CREATE INDEX patients_email_name_idx ON patients (email, name);
DROP INDEX patients_email_idx;

-- Each of these serves something else.
CREATE INDEX ON readings (taken, label);
CREATE INDEX ON readings (label text_pattern_ops);
CREATE INDEX ON readings (taken DESC NULLS LAST);
CREATE INDEX ON readings USING hash (label);
CREATE INDEX ON readings (label) WHERE small > 0;
CREATE INDEX ON readings (lower(label));
CREATE UNIQUE INDEX ON readings (taken);
DROP INDEX readings_taken_idx;
