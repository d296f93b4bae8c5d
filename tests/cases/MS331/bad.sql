-- A default draws from it.
ALTER TABLE staff ALTER COLUMN id SET DEFAULT nextval('ticket_seq');
DROP SEQUENCE ticket_seq; -- MS331
CREATE SEQUENCE billing."Rate Ids";
ALTER TABLE billing.rates ALTER COLUMN id SET DEFAULT nextval('billing."Rate Ids"'::regclass);
DROP SEQUENCE billing."Rate Ids"; -- MS331

-- A serial column, and an identity column.
CREATE TABLE tickets (id serial, text text);
DROP SEQUENCE tickets_id_seq; -- MS331
DROP SEQUENCE IF EXISTS patients_id_seq; -- MS331

-- Who draws from a sequence that no migration made is not known.
DROP SEQUENCE IF EXISTS old_seq; -- MS331
