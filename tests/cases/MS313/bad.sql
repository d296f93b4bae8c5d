-- The code that is still running does not send the new column.
ALTER TABLE patients ADD COLUMN country text NOT NULL DEFAULT 'CH';
ALTER TABLE patients ALTER COLUMN country DROP DEFAULT; -- MS313
ALTER TABLE billing.rates ADD COLUMN "Tax" numeric DEFAULT 0 NOT NULL;
ALTER TABLE billing.rates ALTER COLUMN "Tax" DROP DEFAULT; -- MS313

-- So does a column that was there, once it is required.
ALTER TABLE patients ALTER COLUMN active SET NOT NULL;
ALTER TABLE patients ALTER COLUMN active DROP DEFAULT; -- MS313
