-- Moves it, and blocks nobody.
SELECT setval('ticket_seq', 1000);

-- A sequence of this migration, and one of a table of this migration.
CREATE SEQUENCE "Order Numbers";
ALTER SEQUENCE "Order Numbers" INCREMENT BY 10;
CREATE TABLE orders (id serial, number integer DEFAULT nextval('"Order Numbers"'));
ALTER SEQUENCE orders_id_seq AS bigint;
ALTER SEQUENCE "Order Numbers" OWNED BY orders.number;

-- Says only who fills the column.
ALTER TABLE patients ALTER COLUMN id SET GENERATED ALWAYS;
