-- Code that still sends the old name fails at once.
ALTER TABLE archive RENAME TO attic; -- MS315
ALTER TABLE billing.rates RENAME TO "Prices"; -- MS315
ALTER TABLE IF EXISTS logs RENAME TO entries; -- MS315

-- Another table takes the name; whether it is the same to code, nobody can tell.
CREATE TABLE doses_new (LIKE doses INCLUDING ALL);
ALTER TABLE doses RENAME TO doses_old; -- MS315
ALTER TABLE doses_new RENAME TO doses;
