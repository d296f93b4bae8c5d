-- IS NULL, IS NOT NULL, or IS DISTINCT FROM.
UPDATE patients SET mrn = 'none' WHERE mrn IS NULL;
DELETE FROM clinical_notes WHERE "appointmentId" IS NOT NULL AND id = 1;
CREATE VIEW unpaid AS SELECT id FROM invoices WHERE paid IS DISTINCT FROM NULL;

-- An assignment, a default, and text.
UPDATE patients SET notes = NULL, data = null WHERE id = 1;
ALTER TABLE billing.rates ALTER COLUMN price SET DEFAULT NULL;
UPDATE patients SET notes = 'x = NULL' WHERE id = 2;
