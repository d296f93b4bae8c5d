-- audit: missing-notes
-- description: Completed appointments without a clinical note
-- severity: info
-- key: id
-- remedy: Remind the clinicians; no migration depends on it.
SELECT a.id
FROM appointments AS a
WHERE a.status = 'COMPLETED'
    AND NOT EXISTS (SELECT FROM clinical_notes AS n WHERE n."appointmentId" = a.id)
ORDER BY a.id;
