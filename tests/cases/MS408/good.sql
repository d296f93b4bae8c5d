-- Two keys that narrow, and what is only returned.
CREATE INDEX patients_search_idx ON patients (name, birth) INCLUDE (active, age);

CREATE UNIQUE INDEX ON clinical_notes (author_id, state, id);
CREATE INDEX ON readings USING gist (small, taken, wait, id);
