-- audit: appointment-times
-- description: Appointments that end before they start, or as they start
-- severity: error
-- key: id
-- remedy: Correct the end of each appointment listed from the clinician's calendar.
SELECT id
FROM appointments
WHERE "endsAt" <= "startsAt"
ORDER BY id;
