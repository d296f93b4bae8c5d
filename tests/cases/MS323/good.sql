-- The index of the new key was built CONCURRENTLY; the table is never without a key.
CREATE UNIQUE INDEX doses_new_key ON doses (id, amount);
ALTER TABLE doses ALTER COLUMN amount SET NOT NULL;
ALTER TABLE doses
    DROP CONSTRAINT doses_pkey,
    ADD CONSTRAINT doses_pkey PRIMARY KEY USING INDEX doses_new_key;

-- What is no primary key.
ALTER TABLE patients DROP CONSTRAINT patients_age_check;
ALTER TABLE patients DROP COLUMN legacy_id;
CREATE TABLE "Lab Orders" (id bigint CONSTRAINT "Orders" PRIMARY KEY);
ALTER TABLE "Lab Orders" DROP CONSTRAINT "Orders";
