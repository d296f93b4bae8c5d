-- First the code that knows the label; the type may be made with all of them.
CREATE TYPE "Shift" AS ENUM ('day', 'night');

-- Nobody knows a type that this migration makes.
ALTER TYPE "Shift" ADD VALUE 'late' BEFORE 'night';

-- There already, so that nothing happens.
ALTER TYPE staff_role ADD VALUE IF NOT EXISTS 'nurse';

-- Another rule speaks of this.
ALTER TYPE staff_role RENAME VALUE 'clerk' TO 'desk';
