CREATE INDEX patients_birth_idx ON patients (birth);
ALTER TABLE billing.rates ALTER COLUMN price SET NOT NULL;

-- migration: 2_more
ALTER TABLE billing.rates ADD CONSTRAINT rates_price_check CHECK (price > 0); -- MS144

-- migration: 3_again
ALTER TABLE patients ALTER COLUMN balance TYPE numeric(12, 4); -- MS144
