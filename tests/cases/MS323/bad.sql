ALTER TABLE scratch_child DROP CONSTRAINT scratch_child_pkey; -- MS323
ALTER TABLE billing.rates DROP CONSTRAINT IF EXISTS rates_pkey CASCADE; -- MS323
ALTER TABLE clinical_notes DROP COLUMN id; -- MS323
ALTER TABLE doses DROP CONSTRAINT doses_pkey, ADD CONSTRAINT "Key" PRIMARY KEY (id, label); -- MS323
