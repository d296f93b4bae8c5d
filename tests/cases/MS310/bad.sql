-- In production the table is there, with rows.
DROP TABLE IF EXISTS archive; -- MS310
CREATE TABLE archive (id bigint, payload jsonb);

DROP TABLE IF EXISTS billing.rates CASCADE; -- MS310
CREATE TABLE IF NOT EXISTS billing.rates (id integer PRIMARY KEY, price numeric);

DROP TABLE scratch_child; -- MS310
CREATE TABLE scratch_child AS SELECT id, note FROM scratch;
