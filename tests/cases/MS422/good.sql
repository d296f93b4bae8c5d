-- New columns come last.
CREATE OR REPLACE VIEW active_patients AS
    SELECT id, name, email, upper(name) AS shouted FROM patients WHERE active;

-- Other columns: dropped and made again, in one transaction.
DROP VIEW active_patients;
CREATE VIEW active_patients AS SELECT email FROM patients;
CREATE OR REPLACE VIEW active_patients (email, age) AS SELECT email, age FROM patients;

-- The same from another table; and a view that is not there yet.
CREATE VIEW billing."Prices" AS SELECT * FROM billing.rates;
CREATE OR REPLACE VIEW billing."Prices" AS
    WITH r AS (SELECT * FROM billing.rates) SELECT id, price, price * 2 AS double FROM r;
CREATE OR REPLACE VIEW readings_shown AS SELECT id, kind FROM readings;
