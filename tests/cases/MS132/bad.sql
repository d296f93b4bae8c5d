ALTER TABLE patients ADD COLUMN ward text; -- MS132
ALTER TABLE appointments ADD COLUMN ward text;

-- migration: 2_reset
SET LOCAL lock_timeout = '5s';
RESET lock_timeout;
DROP INDEX patients_email_idx; -- MS132

-- migration: 3_parent
-- Nobody uses the new table, but writers of its parent have to wait.
CREATE TABLE "Wards" ( -- MS132
    id integer PRIMARY KEY,
    patient_id bigint REFERENCES patients
);

-- migration: 4_block
DO $$
BEGIN
    TRUNCATE billing.rates; -- MS132
END
$$;
