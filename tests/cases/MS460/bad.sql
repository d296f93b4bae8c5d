-- What the column holds is replaced.
ALTER TABLE clinical_notes ALTER COLUMN state TYPE integer USING author_id; -- MS460
ALTER TABLE archive ALTER COLUMN payload TYPE boolean USING true; -- MS460
ALTER TABLE appointments ALTER COLUMN "roomNo" TYPE bigint USING patient_id + 1; -- MS460

-- Other columns have a say in it.
ALTER TABLE invoices ALTER COLUMN status TYPE text USING coalesce(status, paid::text); -- MS460
