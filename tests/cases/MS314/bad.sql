-- Code that still sends the old name fails at once.
ALTER TABLE patients RENAME COLUMN birth TO birthday; -- MS314
ALTER TABLE appointments RENAME "roomNo" TO room_no; -- MS314
ALTER TABLE billing.rates RENAME price TO amount; -- MS314
ALTER TABLE visits RENAME COLUMN kind TO sort; -- MS314
ALTER VIEW active_patients RENAME COLUMN name TO full_name; -- MS314
