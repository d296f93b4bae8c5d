-- Code that sends the old label fails at once.
ALTER TYPE staff_role RENAME VALUE 'clerk' TO 'desk'; -- MS317
ALTER TYPE public.dose_unit RENAME VALUE 'ml' TO 'millilitre'; -- MS317
