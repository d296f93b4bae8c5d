-- audit: orphaned-notes
-- description: Clinical notes without a living appointment
-- severity: error
-- before: 20251022112351_make_appointment_required_in_clinical_notes
-- key: id
-- remedy: Create a completed appointment for each note listed, at the note's own time, for its client and author, and point the note at it; then run the audit again.
SELECT n.id
FROM clinical_notes AS n
LEFT JOIN appointments AS a ON a.id = n."appointmentId"
WHERE a.id IS NULL
ORDER BY n.id;
