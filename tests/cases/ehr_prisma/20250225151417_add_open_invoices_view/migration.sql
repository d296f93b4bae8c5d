-- Invoices that wait for money, and what has come in so far.
CREATE VIEW "open_invoices" AS
SELECT
    i."id",
    i."number",
    i."clientId",
    i."dueAt",
    i."total",
    COALESCE(SUM(p."amount"), 0) AS "received"
FROM "invoices" AS i
LEFT JOIN "payments" AS p ON p."invoiceId" = i."id"
WHERE i."status" = 'ISSUED'
GROUP BY i."id";
