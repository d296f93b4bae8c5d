DROP INDEX patients_email_idx; -- MS115
CREATE INDEX patients_email_name_idx ON patients (email, name);
DROP INDEX public.readings_label_idx; -- MS115
CREATE UNIQUE INDEX readings_label_idx ON readings (lower(label));
