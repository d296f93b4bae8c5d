-- Lower case, and no reserved word: these need no quotes.
CREATE TABLE triage (id integer PRIMARY KEY, first_name text, "plain" text);
ALTER TABLE patients RENAME COLUMN email TO user_email;
CREATE INDEX ON patients (name);

-- Names that are there already, and have to be written so.
ALTER TABLE appointments ALTER COLUMN "roomNo" SET DEFAULT 1;
CREATE INDEX appointments_room_idx ON appointments ("roomNo");
UPDATE clinical_notes SET "appointmentId" = 1 WHERE id = 1;
