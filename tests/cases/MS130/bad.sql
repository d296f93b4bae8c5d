-- Each UPDATE sends the whole old row.
ALTER TABLE patients REPLICA IDENTITY FULL; -- MS130
ALTER TABLE billing.rates REPLICA IDENTITY FULL; -- MS130

-- None can be sent.
ALTER TABLE archive REPLICA IDENTITY NOTHING; -- MS130

-- The index does not tell rows apart: refused.
ALTER TABLE readings REPLICA IDENTITY USING INDEX readings_label_idx; -- MS130
ALTER TABLE imports REPLICA IDENTITY USING INDEX imports_source_idx; -- MS130
