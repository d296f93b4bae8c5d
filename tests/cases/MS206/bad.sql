-- Every row is read although none can break the rule.
ALTER TABLE patients ADD COLUMN weight numeric CHECK (weight > 0); -- MS206
ALTER TABLE staff -- MS206
    ADD COLUMN note text,
    ADD COLUMN "shift" text DEFAULT 'day' CONSTRAINT staff_shift_check CHECK ("shift" IN ('day', 'night'));
ALTER TABLE logs ADD COLUMN size integer CHECK (size >= 0); -- MS206

-- It may speak of other columns.
ALTER TABLE billing.rates ADD COLUMN tax numeric CHECK (price IS NULL OR price >= 0); -- MS206

-- A VIRTUAL column is computed for every row, to see whether it is NULL.
ALTER TABLE readings ADD COLUMN twice integer GENERATED ALWAYS AS (small * 2) VIRTUAL NOT NULL; -- MS206
