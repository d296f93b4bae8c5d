-- Rows that are there keep what they have.
ALTER TABLE patients ALTER COLUMN active SET DEFAULT false; -- MS312
ALTER TABLE appointments ALTER COLUMN "roomNo" SET DEFAULT 1; -- MS312
ALTER TABLE billing.rates ALTER COLUMN price SET DEFAULT 0; -- MS312

-- Later INSERTs that do not send it leave it NULL.
ALTER TABLE patients ALTER COLUMN created DROP DEFAULT; -- MS312
