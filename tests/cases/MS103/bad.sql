REINDEX INDEX patients_email_idx; -- MS103
REINDEX TABLE billing.rates; -- MS103
REINDEX (VERBOSE) TABLE visits_2024; -- MS103
REINDEX (CONCURRENTLY off) INDEX readings_label_idx; -- MS103
