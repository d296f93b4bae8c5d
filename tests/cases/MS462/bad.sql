CREATE TABLE triage (id integer NOT NULL, note text); -- MS462
CREATE TABLE billing."Fees" (id integer UNIQUE); -- MS462
CREATE TABLE beds (id integer) PARTITION BY HASH (id); -- MS462
CREATE TABLE tubes (length integer) INHERITS (devices); -- MS462
ALTER TABLE triage ADD CONSTRAINT triage_id_key UNIQUE (id);
