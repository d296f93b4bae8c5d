-- Added, and used before COMMIT.
ALTER TYPE staff_role ADD VALUE 'porter';
INSERT INTO staff (id, name, role) VALUES (7, 'staff 7', 'porter'); -- MS432

-- migration: 2_update
ALTER TYPE staff_role ADD VALUE IF NOT EXISTS 'cook';
UPDATE staff SET role = 'cook' WHERE id = 3; -- MS432
-- migration: 3_default
ALTER TYPE dose_unit ADD VALUE 'drop';
ALTER TABLE doses ALTER COLUMN unit SET DEFAULT 'drop'; -- MS432
-- migration: 4_check
ALTER TYPE dose_unit ADD VALUE 'puff';
ALTER TABLE doses ADD CHECK (unit IN ('mg', 'puff')) NOT VALID; -- MS432
-- migration: 5_cast
ALTER TYPE dose_unit ADD VALUE 'pill';
SELECT ARRAY['mg', 'pill']::dose_unit[]; -- MS432
-- migration: 6_column
ALTER TYPE public.dose_unit ADD VALUE 'drip';
ALTER TABLE archive -- MS432
    ADD COLUMN "Unit" public.dose_unit DEFAULT 'drip';
