ALTER TABLE patients ADD COLUMN ward text;
ALTER TABLE patients ADD COLUMN "Bed" text; -- MS446
ALTER TABLE patients ALTER COLUMN name SET DEFAULT 'x'; -- MS446

-- Each of these reads the table once.
ALTER TABLE billing.rates ALTER COLUMN price SET NOT NULL;
ALTER TABLE billing.rates ADD CONSTRAINT rates_price_check CHECK (price > 0); -- MS446
