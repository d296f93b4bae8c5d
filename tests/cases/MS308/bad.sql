-- scratch_child is emptied too.
TRUNCATE scratch CASCADE; -- MS308
-- So is payments.
TRUNCATE TABLE archive, "invoices" CASCADE; -- MS308
-- And here what references patients, and what references that.
TRUNCATE patients RESTART IDENTITY CASCADE; -- MS308
