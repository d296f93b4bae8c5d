ALTER TABLE archive SET (autovacuum_enabled = false); -- MS430
ALTER TABLE billing.rates SET (fillfactor = 80, autovacuum_enabled = 'off'); -- MS430
ALTER TABLE patients SET (toast.autovacuum_enabled = false); -- MS430
CREATE TABLE "Wards" (id integer) WITH (autovacuum_enabled = false); -- MS430
