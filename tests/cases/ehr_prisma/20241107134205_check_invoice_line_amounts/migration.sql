-- Written by hand: the Prisma schema has no CHECK constraints.
ALTER TABLE "invoice_lines" ADD CONSTRAINT "invoice_lines_amounts_check" CHECK ("quantity" > 0 AND "unitPrice" >= 0);
