-- Code and functions that write these names fail from here on.
ALTER VIEW active_patients RENAME TO current_patients; -- MS112
ALTER MATERIALIZED VIEW patient_counts RENAME TO counts_of_patients; -- MS112
ALTER SEQUENCE ticket_seq RENAME TO "Tickets"; -- MS112
ALTER TABLE staff_counts RENAME TO counts_of_staff; -- MS112
ALTER FUNCTION stable_now() RENAME TO present; -- MS112

-- Few name these, but some do.
ALTER TABLE patients RENAME CONSTRAINT patients_age_check TO patients_age_positive; -- MS112
ALTER INDEX patients_email_idx RENAME TO patients_by_email; -- MS112
