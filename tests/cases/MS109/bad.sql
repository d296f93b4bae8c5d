-- Builds the index of a whole table before anybody may use it again.
ALTER TABLE patients ADD COLUMN passport text UNIQUE; -- MS109
ALTER TABLE archive ADD COLUMN key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY; -- MS109
ALTER TABLE billing.rates -- MS109
    ADD COLUMN "Code" text CONSTRAINT rates_code_key UNIQUE DEFERRABLE;
