DROP INDEX patients_email_idx; -- MS102
DROP INDEX IF EXISTS public.readings_label_idx, readings_taken_idx CASCADE; -- MS102
CREATE INDEX "Rates By Price" ON billing.rates (price);
DROP INDEX billing."Rates By Price"; -- MS102
-- Its table is not known, if it is there at all.
DROP INDEX IF EXISTS nobody_knows_idx; -- MS102
