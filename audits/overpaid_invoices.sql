-- audit: overpaid-invoices
-- description: Invoices that received more than their total
-- severity: warning
-- key: number
-- remedy: Refund the difference, or move it to another invoice of the same client.
SELECT i.number
FROM invoices AS i
JOIN payments AS p ON p."invoiceId" = i.id
GROUP BY i.id
HAVING SUM(p.amount) > i.total
ORDER BY i.number;
