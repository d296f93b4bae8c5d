-- Numbers each row at once, so that the table is written anew.
ALTER TABLE archive ADD COLUMN number serial; -- MS204
ALTER TABLE staff ADD COLUMN "badgeNo" bigserial NOT NULL; -- MS204
ALTER TABLE billing.rates -- MS204
    ADD COLUMN note text,
    ADD COLUMN position smallserial;
ALTER TABLE devices ADD COLUMN number serial4; -- MS204
