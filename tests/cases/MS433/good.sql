-- Where it belongs.
ALTER TYPE staff_role ADD VALUE 'porter' BEFORE 'clerk';
ALTER TYPE dose_unit ADD VALUE IF NOT EXISTS 'drop' AFTER 'ml';

-- Keeps its place.
ALTER TYPE staff_role RENAME VALUE 'clerk' TO 'desk';
