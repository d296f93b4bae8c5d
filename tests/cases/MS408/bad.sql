CREATE INDEX patients_search_idx ON patients (name, birth, active, age); -- MS408
CREATE UNIQUE INDEX ON billing.rates (id, price, (price * 2), (id + 1)); -- MS408
