-- transaction: no
-- The index first, so that no key is ever without.
CREATE INDEX CONCURRENTLY notes_author_idx ON clinical_notes (author_id);
ALTER TABLE clinical_notes
    ADD CONSTRAINT notes_author_fk FOREIGN KEY (author_id) REFERENCES staff NOT VALID;

-- A later migration may bring the index.
ALTER TABLE patients ADD COLUMN "Rate" integer REFERENCES billing.rates;
-- migration: 2_index
CREATE INDEX CONCURRENTLY patients_rate_idx ON patients ("Rate", id) INCLUDE (name);

-- A primary key or an index without the NULLs will do.
CREATE TABLE details (id bigint PRIMARY KEY REFERENCES patients, nurse integer REFERENCES staff);
CREATE INDEX ON details (nurse) WHERE nurse IS NOT NULL;
