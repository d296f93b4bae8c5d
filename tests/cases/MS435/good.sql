-- The rule belongs to the table.
CREATE TABLE discounts (id integer PRIMARY KEY, rate numeric CHECK (rate BETWEEN 0 AND 100));

-- No rule.
CREATE DOMAIN label AS text DEFAULT 'none';
CREATE DOMAIN billing.note AS varchar(200) COLLATE "C";
