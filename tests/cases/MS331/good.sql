-- Nothing draws from it any more.
CREATE TABLE tickets (id bigserial, label text);
ALTER TABLE tickets ALTER COLUMN id DROP DEFAULT;
DROP SEQUENCE tickets_id_seq;

-- Nothing ever did.
DROP SEQUENCE ticket_seq;
CREATE SEQUENCE "Scratch";
DROP SEQUENCE "Scratch";
