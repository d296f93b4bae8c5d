-- Its values are lost at once.
ALTER TABLE patients DROP COLUMN legacy_id; -- MS301
ALTER TABLE IF EXISTS clinical_notes DROP COLUMN IF EXISTS "appointmentId"; -- MS301
ALTER TABLE billing.rates DROP price; -- MS301

-- One subcommand of several.
ALTER TABLE invoices -- MS301
    ADD COLUMN memo text,
    DROP COLUMN paid;

-- On a partitioned table it goes from every partition.
ALTER TABLE visits DROP COLUMN kind; -- MS301

-- A new column of the same name does not have the old values.
ALTER TABLE staff DROP COLUMN role; -- MS301
ALTER TABLE staff ADD COLUMN role text;
