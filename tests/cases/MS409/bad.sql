CREATE INDEX ON patients (doc); -- MS409
CREATE INDEX ON patients USING gin (doc); -- MS409
CREATE INDEX ON patients (active); -- MS409
CREATE INDEX ON billing.rates USING hash (price); -- MS409
