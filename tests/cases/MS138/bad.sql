ALTER TABLE patients ADD COLUMN ward text;
ALTER TABLE patients ADD COLUMN bed text;
ALTER TABLE appointments ADD COLUMN ward text; -- MS138
ALTER TABLE billing.rates ADD COLUMN ward text;

-- migration: 2_drops
DROP INDEX readings_label_idx;
DROP TABLE scratch_child; -- MS138
