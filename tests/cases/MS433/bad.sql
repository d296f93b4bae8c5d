-- Sorts behind all others.
ALTER TYPE staff_role ADD VALUE 'porter'; -- MS433
ALTER TYPE public.dose_unit ADD VALUE IF NOT EXISTS 'drop'; -- MS433
CREATE TYPE "Shift" AS ENUM ('day', 'night');
ALTER TYPE "Shift" ADD VALUE 'late'; -- MS433
