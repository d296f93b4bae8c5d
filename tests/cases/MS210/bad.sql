-- No row is written, and every row is read.
ALTER TABLE appointments ALTER COLUMN room_size TYPE varchar(40); -- MS210
ALTER TABLE patients ALTER COLUMN mrn TYPE varchar; -- MS210
ALTER TABLE readings ALTER COLUMN unit TYPE text; -- MS210

-- A foreign key is made anew, which locks the other table as well.
CREATE TABLE billing.codes (code varchar(8) PRIMARY KEY);
ALTER TABLE archive ADD COLUMN "Code" varchar(8) REFERENCES billing.codes;
ALTER TABLE archive ALTER COLUMN "Code" TYPE varchar(12); -- MS210
