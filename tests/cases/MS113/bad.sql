ALTER TABLE clinical_notes
    ADD CONSTRAINT notes_author_fk FOREIGN KEY (author_id) REFERENCES staff NOT VALID;
ALTER TABLE invoices -- MS113
    ADD CONSTRAINT "Invoices of Imports" FOREIGN KEY (id) REFERENCES imports (line) NOT VALID;
CREATE TABLE "Refunds" (id integer PRIMARY KEY REFERENCES billing.rates); -- MS113
