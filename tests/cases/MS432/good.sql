-- The label in a migration of its own; the next one uses it.
ALTER TYPE staff_role ADD VALUE 'porter';
-- migration: 2_use
INSERT INTO staff (id, name, role) VALUES (7, 'staff 7', 'porter');
UPDATE staff SET role = 'porter' WHERE id = 3;

-- The same word for something else, and labels that were there before.
-- migration: 3_other
ALTER TYPE dose_unit ADD VALUE 'drop';
INSERT INTO archive (id, payload) VALUES (11, 'drop');
UPDATE doses SET unit = 'mg' WHERE label = 'drop' AND unit = 'ml';
ALTER TYPE staff_role ADD VALUE IF NOT EXISTS 'nurse';
UPDATE staff SET role = 'nurse' WHERE id = 4;
COMMENT ON TYPE dose_unit IS 'drop';
