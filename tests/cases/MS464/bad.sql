UPDATE patients SET mrn = 'none' WHERE mrn = NULL; -- MS464
DELETE FROM clinical_notes WHERE "appointmentId" <> NULL; -- MS464
ALTER TABLE billing.rates ADD CONSTRAINT rates_price_check CHECK (price != NULL); -- MS464
CREATE VIEW unpaid AS SELECT id FROM invoices WHERE NULL = paid; -- MS464
CREATE INDEX ON readings (kind) WHERE label = null; -- MS464
