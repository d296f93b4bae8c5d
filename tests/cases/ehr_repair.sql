-- Gives each note without a living appointment a completed one of its
-- own, at the time of its session.
INSERT INTO appointments (
    id, "clientId", "staffId", "startsAt", "endsAt",
    status, "updatedAt"
)
SELECT
    'appointment-of-' || n.id,
    n."clientId",
    n."authorId",
    n."sessionDate",
    n."sessionDate" + interval '50 minutes',
    'COMPLETED',
    CURRENT_TIMESTAMP
FROM clinical_notes AS n
LEFT JOIN appointments AS a ON a.id = n."appointmentId"
WHERE a.id IS NULL;

UPDATE clinical_notes AS n
SET "appointmentId" = 'appointment-of-' || n.id
WHERE NOT EXISTS (
    SELECT FROM appointments AS a WHERE a.id = n."appointmentId"
);
