-- What is removed is kept beside it until the release has proven itself.
ALTER TABLE archive RENAME TO archive_kept;
ALTER TABLE patients RENAME COLUMN legacy_id TO "legacyId";

-- Each of these has a statement that undoes it.
ALTER TABLE patients ADD COLUMN nickname text;
CREATE INDEX staff_name_idx ON staff (name);
DROP INDEX readings_label_idx;
DROP VIEW active_patients;
ALTER TYPE staff_role RENAME VALUE 'clerk' TO 'Clerk';
INSERT INTO staff VALUES (100, 'temporary');
