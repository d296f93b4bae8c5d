-- A second schema with views, until nothing names the first.
CREATE SCHEMA money;
CREATE VIEW money.rates AS SELECT * FROM billing.rates;

-- Nothing names a schema that this migration makes.
ALTER SCHEMA money RENAME TO finance;

-- Other rules speak of these.
ALTER TABLE archive RENAME TO attic;
