-- The column first, its default for new rows second, older rows in batches.
ALTER TABLE patients ADD COLUMN token uuid;
ALTER TABLE patients ALTER COLUMN token SET DEFAULT gen_random_uuid();
UPDATE patients SET token = gen_random_uuid() WHERE id BETWEEN 1 AND 1000 AND token IS NULL;

-- The same for every row, so that it is kept once.
ALTER TABLE staff ADD COLUMN hired timestamptz NOT NULL DEFAULT now();
ALTER TABLE staff ADD COLUMN since timestamptz DEFAULT CURRENT_TIMESTAMP;
ALTER TABLE staff ADD COLUMN tags text[] DEFAULT ARRAY['new', lower('X')]::text[];
ALTER TABLE staff ADD COLUMN checked timestamptz DEFAULT stable_now();
ALTER TABLE archive ADD COLUMN state text DEFAULT 'random()';

-- Nobody uses a table that this migration makes.
CREATE TABLE wards (id integer PRIMARY KEY);
ALTER TABLE wards ADD COLUMN token uuid DEFAULT gen_random_uuid();

-- There already, so that nothing happens.
ALTER TABLE patients ADD COLUMN IF NOT EXISTS created timestamp DEFAULT clock_timestamp();
