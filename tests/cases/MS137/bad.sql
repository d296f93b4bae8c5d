ALTER TABLE patients ADD COLUMN ward text;
CREATE INDEX patients_ward_idx ON patients (ward); -- MS137
ALTER TABLE appointments ALTER COLUMN at SET NOT NULL; -- MS137
CREATE TABLE counted AS SELECT "roomNo", count(*) AS n FROM appointments GROUP BY 1; -- MS137

-- migration: 2_block
-- A block is one transaction as well.
DO $$
BEGIN
    DROP INDEX patients_email_idx;
    REINDEX TABLE billing.rates; -- MS137
END
$$;
