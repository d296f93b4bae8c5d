-- One a transaction.
ALTER TABLE clinical_notes
    ADD CONSTRAINT notes_author_fk FOREIGN KEY (author_id) REFERENCES staff NOT VALID;
-- migration: 2_next
ALTER TABLE invoices
    ADD CONSTRAINT "Invoices of Imports" FOREIGN KEY (id) REFERENCES imports (line) NOT VALID;
-- migration: 3_within
-- Among tables that others cannot see yet, and one that they use.
CREATE TABLE labs (id bigint PRIMARY KEY, parent_id bigint REFERENCES labs);
CREATE TABLE orders (id bigint PRIMARY KEY, lab_id bigint, author_id integer);
ALTER TABLE orders ADD FOREIGN KEY (lab_id) REFERENCES labs;
ALTER TABLE orders ADD FOREIGN KEY (author_id) REFERENCES staff;
CREATE TABLE samples (id bigint PRIMARY KEY, taken_by integer REFERENCES staff);
