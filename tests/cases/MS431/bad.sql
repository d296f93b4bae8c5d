-- Code that runs now does not know the label.
ALTER TYPE staff_role ADD VALUE 'porter'; -- MS431
ALTER TYPE public.dose_unit ADD VALUE IF NOT EXISTS 'drop' BEFORE 'ml'; -- MS431
