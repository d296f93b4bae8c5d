-- The unique index first.
CREATE UNIQUE INDEX rates_price_idx ON billing.rates (price);
ALTER TABLE payments ADD FOREIGN KEY (amount) REFERENCES billing.rates (price) NOT VALID;

-- The order of the columns does not matter.
ALTER TABLE clinical_notes ADD COLUMN day date;
ALTER TABLE clinical_notes ADD FOREIGN KEY (day, id) REFERENCES visits_2024 (day, id) NOT VALID;
CREATE TABLE "Lab Orders" (id bigint UNIQUE, again bigint REFERENCES "Lab Orders" (id));
ALTER TABLE archive ADD PRIMARY KEY (id), ADD COLUMN next integer,
    ADD FOREIGN KEY (next) REFERENCES archive;
