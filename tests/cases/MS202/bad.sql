-- server: 10
ALTER TABLE patients ADD COLUMN country text DEFAULT 'CH'; -- MS202
ALTER TABLE billing.rates -- MS202
    ADD COLUMN "validFrom" timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN note text;
ALTER TABLE visits ADD COLUMN paid boolean DEFAULT false NOT NULL; -- MS202
