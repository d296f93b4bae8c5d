-- Reads every row under ACCESS EXCLUSIVE.
ALTER TABLE patients ALTER COLUMN legacy_id SET NOT NULL; -- MS211

-- A comparison lets NULL through, so that this CHECK proves nothing.
ALTER TABLE patients ALTER COLUMN age SET NOT NULL; -- MS211

-- A CHECK that is NOT VALID proves nothing about older rows.
ALTER TABLE appointments ADD CONSTRAINT appointments_room_present CHECK ("roomNo" IS NOT NULL) NOT VALID;
ALTER TABLE appointments ALTER COLUMN "roomNo" SET NOT NULL; -- MS211

-- Validating in the same statement comes too late.
ALTER TABLE invoices ADD CONSTRAINT invoices_paid_present CHECK (paid IS NOT NULL) NOT VALID;
ALTER TABLE invoices -- MS211
    VALIDATE CONSTRAINT invoices_paid_present,
    ALTER COLUMN paid SET NOT NULL;

-- Partitions and heirs are read too; what its heirs do without proves nothing for them.
ALTER TABLE visits ALTER COLUMN kind SET NOT NULL; -- MS211
ALTER TABLE devices ADD CONSTRAINT devices_name_present CHECK (name IS NOT NULL) NO INHERIT;
ALTER TABLE devices ALTER COLUMN name SET NOT NULL; -- MS211

-- A column that was added to a table in use.
ALTER TABLE billing.rates ADD COLUMN tax numeric DEFAULT 0;
ALTER TABLE billing.rates ALTER COLUMN tax SET NOT NULL; -- MS211
