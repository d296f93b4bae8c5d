-- audit: primary-policies
-- description: Clients with two primary insurance policies for the same day
-- severity: error
-- key: clientId
-- remedy: Ask the client which insurer pays first, and mark the other policy as not primary.
SELECT DISTINCT a."clientId"
FROM insurance_policies AS a
JOIN insurance_policies AS b ON b."clientId" = a."clientId" AND b.id > a.id
WHERE a."isPrimary"
    AND b."isPrimary"
    AND a."validFrom" <= COALESCE(b."validUntil", 'infinity')
    AND b."validFrom" <= COALESCE(a."validUntil", 'infinity')
ORDER BY a."clientId";
