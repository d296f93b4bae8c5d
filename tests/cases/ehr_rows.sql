-- Invented rows for the reference clinic, for the schema just before
-- 20251022112351_make_appointment_required_in_clinical_notes. Everything is computed, so every
-- run gives the same rows. Services come from the migrations themselves.

INSERT INTO locations (id, name, "addressLine", city, "postalCode", "timeZone", "createdAt", "updatedAt")
VALUES
    ('location-harbour', 'Harbour Clinic', '12 Example Quay', 'Northport', '00101',
        'Europe/London', '2024-01-08', '2024-01-08'),
    ('location-hill', 'Hill House', '3 Sample Lane', 'Northport', '00104',
        'Europe/London', '2024-01-08', '2024-01-08'),
    ('location-mill', 'Old Mill Practice', '48 Specimen Road', 'Westford', '00230',
        'Europe/London', '2024-03-12', '2024-03-12');

INSERT INTO rooms (id, "locationId", name, capacity, "createdAt", "updatedAt")
SELECT
    'room-' || substr(l.id, 10) || '-' || g,
    l.id,
    'Room ' || g,
    CASE WHEN g = 4 THEN 10 ELSE 3 END,
    '2024-03-12',
    '2024-03-12'
FROM locations AS l, generate_series(1, 4) AS g;

-- Twelve clinicians (the last two left on 31 May 2025), then the office.
INSERT INTO staff (id, email, "firstName", "lastName", role, "locationId", "deactivatedAt", "createdAt", "updatedAt")
SELECT
    'staff-' || lpad(g::text, 2, '0'),
    lower(first || '.' || last) || '@clinic.example',
    first,
    last,
    (CASE
        WHEN g IN (1, 2) THEN 'SUPERVISOR'
        WHEN g <= 12 THEN 'CLINICIAN'
        WHEN g <= 14 THEN 'BILLING'
        WHEN g <= 17 THEN 'FRONT_DESK'
        ELSE 'ADMIN'
    END)::"StaffRole",
    (ARRAY['location-harbour', 'location-hill', 'location-mill'])[g % 3 + 1],
    CASE WHEN g IN (11, 12) THEN timestamp '2025-05-31 18:00' END,
    timestamp '2024-01-08 09:00' + g * interval '3 days',
    timestamp '2025-06-01 09:00'
FROM generate_series(1, 18) AS g,
LATERAL (SELECT
    (ARRAY['Ada', 'Bruno', 'Carla', 'Daniel', 'Edith', 'Felix', 'Greta', 'Hugo', 'Iris', 'Jonas', 'Klara', 'Leo',
           'Mona', 'Nils', 'Olive', 'Paul', 'Rosa', 'Simon'])[g] AS first,
    (ARRAY['Ashdown', 'Birchall', 'Coldwell', 'Dunmore', 'Elmsley', 'Fernside', 'Glenholt', 'Hartfield', 'Ivybridge',
           'Jessop', 'Kilnworth', 'Larkhill', 'Mossley', 'Northam', 'Oakley', 'Penfold', 'Rushworth', 'Stanmere'])[g] AS last
) AS names;

INSERT INTO "_ServiceToStaff" ("A", "B")
SELECT v.id, s.id
FROM services AS v, staff AS s
WHERE s.role IN ('CLINICIAN', 'SUPERVISOR') AND (v.code <> 'ASSESSMENT' OR s.role = 'SUPERVISOR');

INSERT INTO clients (
    id, "firstName", "lastName", "preferredName", "dateOfBirth", email, phone, "primaryStaffId",
    "createdAt", "updatedAt"
)
SELECT
    'client-' || lpad(g::text, 3, '0'),
    first,
    last,
    CASE WHEN g % 20 = 0 THEN left(first, 3) END,
    date '1948-02-01' + g * 83,
    CASE WHEN g % 9 <> 0 THEN lower(first || '.' || last) || g || '@mail.example' END,
    '+44 1632 96' || lpad(g::text, 4, '0'),
    'staff-' || lpad((g % 10 + 1)::text, 2, '0'),
    timestamp '2024-01-15 10:00' + g * interval '25 hours',
    timestamp '2025-01-03 10:00'
FROM generate_series(1, 300) AS g,
LATERAL (SELECT
    (ARRAY['Alma', 'Ben', 'Celia', 'David', 'Elsa', 'Frank', 'Gina', 'Henry', 'Ida', 'Jack', 'Kate', 'Liam', 'Maya',
           'Noah', 'Orla', 'Peter', 'Quinn', 'Ruth', 'Sam', 'Tess'])[g % 20 + 1] AS first,
    (ARRAY['Archer', 'Bellamy', 'Carver', 'Draper', 'Easton', 'Fletcher', 'Granger', 'Hooper', 'Irving', 'Joiner',
           'Keeler', 'Lister', 'Mercer'])[g % 13 + 1] AS last
) AS names;

-- Every fourth client pays alone; every sixth changed insurer at the turn of the year.
INSERT INTO insurance_policies (
    id, "clientId", payer, "memberNumber", "isPrimary", "validFrom", "validUntil",
    "createdAt", "updatedAt"
)
SELECT
    'policy-' || substr(c.id, 8) || '-' || p.n,
    c.id,
    p.payer,
    'M' || substr(c.id, 8) || '-' || p.n,
    p.n <> 3,
    p.from_day,
    p.until_day,
    c."createdAt",
    c."updatedAt"
FROM clients AS c
CROSS JOIN LATERAL (SELECT substr(c.id, 8)::int AS g) AS number
CROSS JOIN LATERAL (VALUES
    (1, 'Fable Mutual', g % 4 <> 0, date '2024-01-01', CASE WHEN g % 6 = 0 THEN date '2024-12-31' END),
    (2, 'Sample Health', g % 4 <> 0 AND g % 6 = 0, date '2025-01-01', NULL),
    (3, 'Specimen Assurance', g % 4 <> 0 AND g % 9 = 0, date '2024-01-01', NULL)
) AS p (n, payer, held, from_day, until_day)
WHERE p.held;

-- Each clinician has one slot on every second or third working day of 2025, at an hour of their own.
INSERT INTO appointments (
    id, "clientId", "staffId", "serviceId", "locationId", "roomId", "startsAt", "endsAt", status,
    "cancelledAt", "cancellationReason", "isTelehealth", "meetingUrl", "createdAt", "updatedAt"
)
SELECT
    'appointment-' || lpad(g::text, 4, '0'),
    'client-' || lpad((g * 7 % 300 + 1)::text, 3, '0'),
    s.id,
    (ARRAY['service-individual', 'service-individual', 'service-family', 'service-intake',
           'service-review', 'service-group'])[g % 6 + 1],
    CASE WHEN g % 8 <> 0 THEN s."locationId" END,
    CASE WHEN g % 8 <> 0 THEN 'room-' || substr(s."locationId", 10) || '-' || (g % 4 + 1) END,
    t.starts,
    t.starts + interval '50 minutes',
    o.outcome::"AppointmentStatus",
    CASE WHEN o.outcome = 'CANCELLED' THEN t.starts - interval '1 day' END,
    CASE WHEN o.outcome = 'CANCELLED' THEN 'Client is away' END,
    g % 8 = 0,
    CASE WHEN g % 8 = 0 THEN 'https://meet.clinic.example/' || g END,
    t.starts - interval '14 days',
    t.starts + interval '1 hour'
FROM generate_series(1, 1200) AS g
CROSS JOIN LATERAL (SELECT (g - 1) % 12 + 1 AS clinician, (g - 1) / 12 * 12 / 5 AS workday) AS slot
CROSS JOIN LATERAL (
    SELECT timestamp '2025-01-06' + (workday / 5 * 7 + workday % 5) * interval '1 day'
        + (8 + (clinician + workday) % 9) * interval '1 hour' AS starts
) AS t
JOIN staff AS s ON s.id = 'staff-' || lpad(
    (CASE WHEN clinician > 10 AND t.starts > '2025-05-31' THEN clinician - 10 ELSE clinician END)::text, 2, '0')
CROSS JOIN LATERAL (SELECT CASE
    WHEN t.starts >= '2025-10-22' THEN (ARRAY['SCHEDULED', 'CONFIRMED'])[g % 2 + 1]
    WHEN g % 11 = 0 THEN 'CANCELLED'
    WHEN g % 17 = 0 THEN 'NO_SHOW'
    ELSE 'COMPLETED'
END AS outcome) AS o;

INSERT INTO treatment_plans (id, "clientId", "staffId", title, status, "startsOn", "reviewOn", "createdAt", "updatedAt")
SELECT
    'plan-' || substr(c.id, 8),
    c.id,
    c."primaryStaffId",
    (ARRAY['Sleep and rest', 'Return to work', 'Coping with change', 'Anxiety in company'])[g % 4 + 1],
    (CASE WHEN g % 12 = 0 THEN 'ON_HOLD' ELSE 'ACTIVE' END)::"PlanStatus",
    date '2025-01-06',
    date '2025-07-07' + g % 60,
    '2025-01-06',
    '2025-01-06'
FROM clients AS c
CROSS JOIN LATERAL (SELECT substr(c.id, 8)::int AS g) AS number
WHERE g % 3 = 0;

INSERT INTO treatment_goals (id, "treatmentPlanId", position, description, "reachedAt")
SELECT 'goal-' || substr(p.id, 6) || '-' || g, p.id, g,
    (ARRAY['Keep a diary for four weeks', 'Name three things that help', 'Meet a friend once a week'])[g],
    CASE WHEN g = 1 THEN p."startsOn" + interval '40 days' END
FROM treatment_plans AS p, generate_series(1, 3) AS g;

-- One signed note for each completed appointment, but for every eightieth.
INSERT INTO clinical_notes (
    id, "clientId", "authorId", "appointmentId", kind, body, "sessionDate", "treatmentPlanId",
    "signedAt", "signedById", "dueDate", "createdAt", "updatedAt"
)
SELECT
    'note-' || lpad(row_number() OVER (ORDER BY a.id)::text, 4, '0'),
    a."clientId",
    a."staffId",
    a.id,
    (CASE WHEN a."serviceId" = 'service-intake' THEN 'INTAKE' ELSE 'PROGRESS' END)::"NoteKind",
    'Invented text. Session with the client went as planned.',
    a."startsAt",
    p.id,
    a."endsAt" + interval '20 minutes',
    a."staffId",
    a."startsAt" + interval '7 days',
    a."endsAt" + interval '10 minutes',
    a."endsAt" + interval '20 minutes'
FROM appointments AS a
LEFT JOIN treatment_plans AS p ON p."clientId" = a."clientId"
WHERE a.status = 'COMPLETED' AND substr(a.id, 13)::int % 80 <> 1;

-- Seven notes lost their appointment in the move from the previous system:
-- three still carry an id that leads nowhere, four carry none.
DELETE FROM appointments WHERE id IN (
    SELECT "appointmentId" FROM clinical_notes
    WHERE id IN ('note-0058', 'note-0131', 'note-0207', 'note-0412', 'note-0413', 'note-0590', 'note-0744'));
UPDATE clinical_notes SET "appointmentId" = NULL
WHERE id IN ('note-0058', 'note-0207', 'note-0412', 'note-0744');

INSERT INTO invoices (
    id, number, "clientId", "appointmentId", status, "issuedAt", "dueAt", "createdAt", "updatedAt"
)
SELECT
    'invoice-' || lpad(n::text, 4, '0'),
    'INV-2025-' || lpad(n::text, 4, '0'),
    a."clientId",
    a.id,
    (CASE
        WHEN n % 50 = 0 THEN 'VOID'
        WHEN a."startsAt" >= '2025-10-01' THEN 'DRAFT'
        WHEN n % 7 = 0 THEN 'ISSUED'
        ELSE 'PAID'
    END)::"InvoiceStatus",
    CASE WHEN a."startsAt" < '2025-10-01' THEN a."startsAt" + interval '1 day' END,
    CASE WHEN a."startsAt" < '2025-10-01' THEN a."startsAt"::date + 31 END,
    a."startsAt" + interval '1 day',
    a."startsAt" + interval '2 days'
FROM appointments AS a
JOIN (
    SELECT id, row_number() OVER (ORDER BY "startsAt", id) AS n
    FROM appointments
    WHERE status = 'COMPLETED'
) AS numbered ON numbered.id = a.id;

INSERT INTO invoice_lines (id, "invoiceId", "serviceId", description, quantity, "unitPrice")
SELECT 'line-' || substr(i.id, 9) || '-1', i.id, v.id, v.name, 1, v.price
FROM invoices AS i
JOIN appointments AS a ON a.id = i."appointmentId"
JOIN services AS v ON v.id = a."serviceId"
UNION ALL
SELECT 'line-' || substr(i.id, 9) || '-2', i.id, NULL, 'Workbook', 1 + substr(i.id, 9)::int % 2, 7.50
FROM invoices AS i
WHERE substr(i.id, 9)::int % 5 = 0;

UPDATE invoices AS i
SET total = (SELECT sum(l.quantity * l."unitPrice") FROM invoice_lines AS l WHERE l."invoiceId" = i.id);

-- Paid invoices in full; every third issued one by half.
INSERT INTO payments (id, "invoiceId", method, amount, reference, "receivedAt", "createdAt")
SELECT
    'payment-' || substr(i.id, 9),
    i.id,
    (ARRAY['CARD', 'CARD', 'INSURANCE', 'BANK_TRANSFER', 'CASH'])[n % 5 + 1]::"PaymentMethod",
    CASE WHEN i.status = 'PAID' THEN i.total ELSE round(i.total / 2, 2) END,
    'Receipt ' || n,
    i."issuedAt" + interval '9 days',
    i."issuedAt" + interval '9 days'
FROM invoices AS i
CROSS JOIN LATERAL (SELECT substr(i.id, 9)::int AS n) AS number
WHERE i.status = 'PAID' OR (i.status = 'ISSUED' AND n % 3 = 0);

INSERT INTO consents (id, "clientId", kind, "givenAt", "withdrawnAt", "recordedById", "createdAt")
SELECT
    'consent-' || substr(c.id, 8) || '-' || lower(k.kind),
    c.id,
    k.kind::"ConsentKind",
    c."createdAt",
    CASE WHEN k.kind = 'DATA_SHARING' AND g % 24 = 0 THEN timestamp '2025-03-03 11:00' END,
    'staff-' || (15 + g % 3),
    c."createdAt"
FROM clients AS c
CROSS JOIN LATERAL (SELECT substr(c.id, 8)::int AS g) AS number
CROSS JOIN LATERAL (VALUES
    ('TREATMENT', true),
    ('TELEHEALTH', g % 2 = 0),
    ('DATA_SHARING', g % 3 = 0)
) AS k (kind, given)
WHERE k.given;

INSERT INTO documents (id, "clientId", "uploadedById", title, "storageKey", "sizeBytes", tags, "createdAt")
SELECT
    'document-' || lpad(g::text, 3, '0'),
    'client-' || lpad((g * 2 - 1)::text, 3, '0'),
    'staff-' || (15 + g % 3),
    (ARRAY['Referral letter', 'Signed agreement', 'School report'])[g % 3 + 1],
    'documents/2025/' || md5(g::text) || '.pdf',
    24000 + g * 137,
    CASE WHEN g % 3 = 0 THEN ARRAY['referral'] ELSE ARRAY[]::text[] END,
    timestamp '2025-01-07 08:30' + g * interval '31 hours'
FROM generate_series(1, 150) AS g;

INSERT INTO messages (id, "clientId", "staffId", "fromClient", body, "sentAt", "readAt")
SELECT
    'message-' || lpad(g::text, 3, '0'),
    c.id,
    c."primaryStaffId",
    g % 2 = 1,
    CASE WHEN g % 2 = 1 THEN 'Could we meet an hour later this week?' ELSE 'Yes, that works. See you then.' END,
    timestamp '2025-02-03 09:00' + g * interval '13 hours',
    CASE WHEN g <= 380 THEN timestamp '2025-02-03 12:00' + g * interval '13 hours' END
FROM generate_series(1, 400) AS g
JOIN clients AS c ON c.id = 'client-' || lpad(((g + 1) / 2)::text, 3, '0');

INSERT INTO waitlist_entries (id, "clientId", "serviceId", priority, note, "createdAt", "closedAt")
SELECT
    'waitlist-' || lpad(g::text, 2, '0'),
    'client-' || lpad((g * 11)::text, 3, '0'),
    (ARRAY['service-family', 'service-assessment'])[g % 2 + 1],
    g % 3 + 1,
    CASE WHEN g % 5 = 0 THEN 'Afternoons only' END,
    timestamp '2025-08-04 10:00' + g * interval '2 days',
    CASE WHEN g <= 10 THEN timestamp '2025-09-15 10:00' + g * interval '1 day' END
FROM generate_series(1, 24) AS g;

INSERT INTO audit_log ("staffId", action, entity, "entityId", details, at)
SELECT n."signedById", 'sign', 'clinical_note', n.id, jsonb_build_object('kind', n.kind), n."signedAt"
FROM clinical_notes AS n
WHERE n."sessionDate" >= '2025-07-01'
ORDER BY n."signedAt", n.id;
