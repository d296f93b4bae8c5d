-- audit: late-signatures
-- description: Notes signed by staff who had already left
-- severity: warning
-- key: id
-- remedy: Have a supervisor review and countersign each note listed.
SELECT n.id
FROM clinical_notes AS n
JOIN staff AS s ON s.id = n."signedById"
WHERE n."signedAt" > s."deactivatedAt"
ORDER BY n.id;
