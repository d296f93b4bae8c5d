-- live: patients bytes=40000000000
-- live: staff bytes=2000000
-- In batches, with a pause between them.
UPDATE patients SET name = upper(name) WHERE id BETWEEN 1 AND 1000;

-- Nothing is written anew.
ALTER TABLE patients ADD COLUMN "legacyId" bigint;

-- Small, or of unknown size.
UPDATE staff SET name = upper(name);
CREATE INDEX rates_price_idx ON billing.rates (price);
