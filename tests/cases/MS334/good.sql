-- server: 14
-- Without CONCURRENTLY the index is whole; plan for the time in which nobody can write.
CREATE INDEX patients_name_idx ON patients (name);
REINDEX INDEX patients_email_idx;
