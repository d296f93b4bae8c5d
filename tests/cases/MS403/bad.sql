-- transaction: no
CREATE INDEX CONCURRENTLY patients_name_idx ON patients (name); -- MS403
CREATE UNIQUE INDEX CONCURRENTLY "Rates By Price" ON billing.rates (price); -- MS403
CREATE INDEX CONCURRENTLY ON visits_2024 (kind); -- MS403
