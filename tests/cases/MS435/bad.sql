-- Changing the rule reads every table that uses it.
CREATE DOMAIN percent AS numeric CHECK (VALUE BETWEEN 0 AND 100); -- MS435
CREATE DOMAIN billing."Code" AS text CONSTRAINT code_present NOT NULL; -- MS435
