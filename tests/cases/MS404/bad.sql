CREATE UNIQUE INDEX patients_email_key ON patients (email); -- MS404
CREATE UNIQUE INDEX ON billing.rates (price) WHERE price > 0; -- MS404
CREATE UNIQUE INDEX "By Name" ON staff (lower(name)); -- MS404
-- Two rows without a value are equal here.
ALTER TABLE staff ADD COLUMN badge text;
CREATE UNIQUE INDEX ON staff (badge, role) NULLS NOT DISTINCT; -- MS404
