-- Logged, as tables are.
CREATE TABLE sessions (id uuid PRIMARY KEY, data jsonb);

-- Gone before the migration ends, and gone with the session.
CREATE UNLOGGED TABLE "Staging" (id bigint, name text);
INSERT INTO "Staging" SELECT id, name FROM patients;
DROP TABLE "Staging";
CREATE TEMPORARY TABLE loaded (id integer);
