-- Tuned, not switched off.
ALTER TABLE archive SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_enabled = true);
ALTER TABLE billing.rates RESET (autovacuum_enabled);

-- Off while this migration fills it.
CREATE TABLE "Wards" (id integer) WITH (autovacuum_enabled = false);
INSERT INTO "Wards" SELECT * FROM generate_series(1, 100);
ALTER TABLE "Wards" SET (autovacuum_enabled = true);
