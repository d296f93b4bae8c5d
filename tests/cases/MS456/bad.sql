ALTER TABLE patients ADD COLUMN date_of_the_first_telephone_call_with_the_ward_of_the_clinic_or_its_deputy date; -- MS456
CREATE INDEX "Appointments of the staff by the room number, and then by the time of day" -- MS456
    ON appointments ("roomNo", at);
-- Short in characters, but not in bytes.
CREATE TABLE "Überweisungen für Rückfälle nach größeren Eingriffen außerhalb der Häuser" (id integer); -- MS456
-- A name that is used is cut as well, so that this one finds the column.
ALTER TABLE patients DROP COLUMN date_of_the_first_telephone_call_with_the_ward_of_the_clinic_or_its_aide; -- MS456
