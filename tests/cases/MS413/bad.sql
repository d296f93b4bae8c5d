ALTER TABLE clinical_notes ADD FOREIGN KEY (author_id) REFERENCES appointments (staff_id); -- MS413
CREATE TABLE "Lab Orders" ( -- MS413
    id bigint PRIMARY KEY,
    again bigint REFERENCES "Lab Orders" (before),
    before bigint
);
CREATE UNIQUE INDEX rates_price_idx ON billing.rates (price) WHERE price > 0;
ALTER TABLE payments ADD FOREIGN KEY (amount) REFERENCES billing.rates (price) NOT VALID; -- MS413
