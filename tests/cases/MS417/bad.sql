ALTER TABLE patients ADD CONSTRAINT born CHECK (birth <= CURRENT_DATE) NOT VALID; -- MS417
ALTER TABLE appointments ADD CHECK (at > now() - interval '100 years'); -- MS417
CREATE TABLE "Lab Orders" ( -- MS417
    id bigint PRIMARY KEY,
    ordered timestamptz CHECK (ordered < stable_now())
);
ALTER TABLE billing.rates ADD COLUMN ticket bigint CHECK (ticket < next_ticket()); -- MS417
