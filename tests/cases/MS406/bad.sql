UPDATE patients SET doc = (SELECT jsonb_agg(md5(n::text)) FROM generate_series(1, 300) AS n) WHERE id = 1;
CREATE INDEX patients_doc_idx ON patients (doc); -- MS406
ALTER TABLE "doses" ADD COLUMN tags text[], ADD COLUMN raw bytea, ADD COLUMN story varchar(9000);
CREATE INDEX ON doses USING btree (id, tags); -- MS406
CREATE INDEX ON doses (raw); -- MS406
CREATE INDEX ON doses (story); -- MS406
