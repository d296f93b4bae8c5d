-- A sequence that is only half the table's.
CREATE TABLE wards (id serial PRIMARY KEY); -- MS438
CREATE TABLE billing.accounts (id bigserial, "No" smallserial, name text); -- MS438
