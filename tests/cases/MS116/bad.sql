-- ADD COLUMN locks the table for a moment; the UPDATE makes minutes of it.
ALTER TABLE patients ADD COLUMN nickname text;
UPDATE patients SET nickname = name WHERE nickname IS NULL; -- MS116
INSERT INTO archive (id, payload) SELECT id, body FROM clinical_notes; -- MS116

-- migration: 2_foreign_key
-- Writers of both tables wait.
ALTER TABLE billing.rates ADD COLUMN "staffId" integer;
-- migration: 3_foreign_key
ALTER TABLE billing.rates ADD FOREIGN KEY ("staffId") REFERENCES staff NOT VALID;
DELETE FROM visits WHERE kind = 'old'; -- MS116

-- migration: 4_trigger
CREATE TRIGGER archive_touch BEFORE UPDATE ON archive FOR EACH ROW EXECUTE FUNCTION touch();
MERGE INTO staff AS s USING archive AS a ON s.id = a.id AND a.id > 900 -- MS116
    WHEN MATCHED THEN UPDATE SET name = a.payload;
-- A new table is filled, and the old one still waits.
CREATE TABLE "Copies" AS SELECT * FROM archive WITH NO DATA;
INSERT INTO "Copies" SELECT * FROM archive; -- MS116
