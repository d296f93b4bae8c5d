-- The services that every location offers.
INSERT INTO "services" ("id", "code", "name", "durationMinutes", "price", "updatedAt") VALUES
    ('service-intake', 'INTAKE', 'Intake interview', 80, 140.00, CURRENT_TIMESTAMP),
    ('service-individual', 'INDIVIDUAL', 'Individual session', 50, 95.00, CURRENT_TIMESTAMP),
    ('service-family', 'FAMILY', 'Family session', 50, 120.00, CURRENT_TIMESTAMP),
    ('service-group', 'GROUP', 'Group session', 50, 45.00, CURRENT_TIMESTAMP),
    ('service-assessment', 'ASSESSMENT', 'Psychological assessment', 110, 210.00, CURRENT_TIMESTAMP),
    ('service-review', 'REVIEW', 'Treatment review', 50, 80.00, CURRENT_TIMESTAMP)
ON CONFLICT ("code") DO NOTHING;
