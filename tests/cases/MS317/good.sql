-- The new label beside the old one; code writes it from the next release on.
ALTER TYPE staff_role ADD VALUE 'desk' AFTER 'clerk';

-- Nobody knows a type that this migration makes.
CREATE TYPE "Shift" AS ENUM ('day', 'nigth');
ALTER TYPE "Shift" RENAME VALUE 'nigth' TO 'night';
