-- A table that was made OF the type changes with it.
ALTER TYPE address ADD ATTRIBUTE zip text CASCADE; -- MS131
ALTER TYPE address RENAME ATTRIBUTE city TO town CASCADE; -- MS131
ALTER TYPE public.address DROP ATTRIBUTE zip CASCADE; -- MS131

-- migration: 2_refused
-- Without CASCADE it is refused, and so is another type where a column holds values.
ALTER TYPE address ADD ATTRIBUTE country text; -- MS131
-- migration: 3_refused
ALTER TYPE address ALTER ATTRIBUTE street TYPE varchar(200) CASCADE; -- MS131
