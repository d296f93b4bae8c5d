ALTER TABLE patients ADD COLUMN ward text;
ALTER TABLE billing.rates ADD COLUMN ward text;

-- migration: 2_bed
ALTER TABLE patients ADD COLUMN bed text;

-- migration: 3_chair
ALTER TABLE patients ADD COLUMN "Chair" text; -- MS145
DROP TABLE archive;
