DROP TABLE scratch_child; -- MS114
CREATE TABLE billing."Price List" (id integer PRIMARY KEY REFERENCES staff, rate integer REFERENCES billing.rates);
-- migration: 2_later
DROP TABLE IF EXISTS payments, billing."Price List" CASCADE; -- MS114
