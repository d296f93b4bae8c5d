CREATE INDEX patients_name_idx ON patients (name); -- MS101
CREATE INDEX ON billing.rates (price); -- MS101
CREATE UNIQUE INDEX "Notes by room" -- MS101
    ON clinical_notes ("appointmentId", id);
-- The index is there, and yet it waits for the lock.
CREATE INDEX IF NOT EXISTS patients_email_idx ON patients (email); -- MS101
CREATE INDEX ON visits_2024 (kind); -- MS101
CREATE INDEX ON patient_counts (total); -- MS101
