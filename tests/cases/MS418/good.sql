-- The foreign key first.
ALTER TABLE scratch_child DROP CONSTRAINT scratch_child_scratch_id_fkey;
ALTER TABLE scratch DROP CONSTRAINT scratch_pkey;

-- In one statement as well.
ALTER TABLE readings DROP CONSTRAINT readings_parent_id_fkey, DROP CONSTRAINT readings_pkey;
-- Nothing refers to it.
ALTER TABLE billing.rates DROP CONSTRAINT rates_pkey;
