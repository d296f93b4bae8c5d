-- With a default, every row is checked while both tables are locked.
ALTER TABLE patients ADD COLUMN doctor_id integer DEFAULT 1 REFERENCES staff; -- MS108

-- Without one the locks are brief, but there are two of them.
ALTER TABLE appointments ADD COLUMN "coveredBy" integer CONSTRAINT covered_by_fk REFERENCES staff (id); -- MS108
ALTER TABLE archive -- MS108
    ADD COLUMN note text,
    ADD COLUMN rate_id integer REFERENCES billing.rates ON DELETE SET NULL;
