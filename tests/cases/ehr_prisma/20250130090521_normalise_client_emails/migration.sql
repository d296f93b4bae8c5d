-- Sign-in compares addresses in lower case from this release on.
UPDATE "clients"
SET "email" = LOWER(TRIM("email"))
WHERE "email" <> LOWER(TRIM("email"));
