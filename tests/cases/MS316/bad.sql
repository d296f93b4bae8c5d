-- Whatever is written with the old name leads nowhere.
ALTER SCHEMA billing RENAME TO money; -- MS316
ALTER SCHEMA money RENAME TO "Billing 2"; -- MS316
