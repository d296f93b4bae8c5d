-- A view holds its columns by number and type.
ALTER TABLE patients ALTER COLUMN name TYPE varchar(200); -- MS337
-- migration: 2_drop
ALTER TABLE patients DROP COLUMN active; -- MS337

-- migration: 3_generated
ALTER TABLE readings ADD COLUMN area integer GENERATED ALWAYS AS (small * small) STORED;
-- migration: 4_source
ALTER TABLE readings ALTER COLUMN small TYPE integer; -- MS337
-- migration: 5_partition_key
ALTER TABLE visits ALTER COLUMN day TYPE timestamp; -- MS337
-- migration: 6_referenced
ALTER TABLE staff DROP COLUMN id; -- MS337

-- migration: 7_joined
-- Which table a view of two takes the name from, its text does not tell.
CREATE VIEW billing.seen AS
    SELECT body FROM clinical_notes JOIN appointments ON appointments.id = "appointmentId";
ALTER TABLE clinical_notes ALTER COLUMN body TYPE varchar(500); -- MS337

-- migration: 8_policy
CREATE POLICY archive_own ON archive USING (id > 0);
ALTER TABLE archive ALTER COLUMN id TYPE bigint; -- MS337
