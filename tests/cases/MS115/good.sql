-- transaction: no
-- The new index first, under another name; then the old one goes.
CREATE INDEX CONCURRENTLY patients_email_name_idx ON patients (email, name);
DROP INDEX CONCURRENTLY patients_email_idx;

-- Clears away what a failed try may have left.
DROP INDEX CONCURRENTLY IF EXISTS "Notes by room";
CREATE INDEX CONCURRENTLY "Notes by room" ON clinical_notes ("appointmentId");

-- The new index serves other queries.
DROP INDEX CONCURRENTLY readings_label_idx;
CREATE INDEX CONCURRENTLY readings_kind_idx ON readings (kind, label);
