DROP TYPE staff_role; -- MS329
DROP DOMAIN positive_int, plain_text; -- MS329
DROP TYPE IF EXISTS public.address; -- MS329

-- The column keeps its type, whatever that is called now.
ALTER TYPE dose_unit RENAME TO "dose unit, old";
CREATE TYPE dose_unit AS ENUM ('mg', 'ml', 'drop');
DROP TYPE "dose unit, old"; -- MS329

-- Whether something has a type that no migration made is not known.
DROP TYPE IF EXISTS billing.currency; -- MS329
