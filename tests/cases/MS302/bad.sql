DROP TABLE archive; -- MS302
DROP TABLE IF EXISTS billing.rates; -- MS302

-- Each table of a list; together with what references it, it needs no CASCADE.
DROP TABLE scratch, scratch_child; -- MS302

-- A partition, and a whole partitioned table.
DROP TABLE logs_b; -- MS302
DROP TABLE visits; -- MS302

-- Another table's foreign key needs it.
DROP TABLE staff; -- MS302
