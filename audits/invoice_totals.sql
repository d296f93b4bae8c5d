-- audit: invoice-totals
-- description: Invoices whose total differs from the sum of their lines
-- severity: error
-- key: number
-- remedy: Compare each invoice listed with the copy that was sent, then correct the total or the lines.
SELECT i.number
FROM invoices AS i
LEFT JOIN invoice_lines AS l ON l."invoiceId" = i.id
GROUP BY i.id
HAVING i.total <> COALESCE(SUM(l.quantity * l."unitPrice"), 0)
ORDER BY i.number;
