-- USING speaks of the column itself.
ALTER TABLE clinical_notes ALTER COLUMN state TYPE varchar(20) USING left(state, 20);
ALTER TABLE appointments ALTER COLUMN "roomNo" TYPE bigint USING "roomNo"::bigint;
ALTER TABLE patients ALTER COLUMN notes TYPE integer
    USING CASE WHEN patients.notes ~ '^[0-9]+$' THEN patients.notes::integer END;
ALTER TABLE archive ALTER COLUMN payload TYPE varchar;

-- Nobody uses a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY, beds text, places integer);
ALTER TABLE wards ALTER COLUMN beds TYPE integer USING places;
