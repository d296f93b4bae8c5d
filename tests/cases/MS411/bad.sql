-- Text becomes no number, date or enum by itself; the table need not have a row.
ALTER TABLE archive ALTER COLUMN payload TYPE integer; -- MS411
-- migration: 2_new
CREATE TABLE wards (id integer, opened text, kind text DEFAULT 'day');
ALTER TABLE wards ALTER COLUMN opened TYPE date; -- MS411
-- migration: 3_boolean
ALTER TABLE invoices ALTER COLUMN paid TYPE integer; -- MS411
-- migration: 4_using
ALTER TABLE staff ALTER COLUMN name TYPE staff_role USING name::text; -- MS411
-- migration: 5_no_cast
ALTER TABLE invoices ALTER COLUMN paid TYPE timestamptz USING paid::timestamptz; -- MS411
-- migration: 6_default
CREATE TABLE "Shifts" (id integer, kind text DEFAULT 'day');
CREATE TYPE shift_kind AS ENUM ('day', 'night');
ALTER TABLE "Shifts" ALTER COLUMN kind TYPE shift_kind USING kind::shift_kind; -- MS411
-- migration: 7_serial
ALTER TABLE archive ALTER COLUMN id TYPE serial; -- MS411
-- migration: 8_values
-- With USING it depends on the values.
ALTER TABLE patients ALTER COLUMN notes TYPE integer USING notes::integer; -- MS411
