-- Each row gets a value of its own, so that the table is written anew.
ALTER TABLE patients ADD COLUMN token uuid DEFAULT gen_random_uuid(); -- MS201
ALTER TABLE staff -- MS201
    ADD COLUMN note text,
    ADD COLUMN "seenAt" timestamptz NOT NULL DEFAULT clock_timestamp();

-- A function without a marker is VOLATILE.
ALTER TABLE archive ADD COLUMN ticket bigint DEFAULT next_ticket(); -- MS201
ALTER TABLE archive ADD COLUMN number bigint DEFAULT nextval('ticket_seq'); -- MS201

-- Partitions are written anew too.
ALTER TABLE visits ADD COLUMN draw double precision DEFAULT round(random()::numeric, 2); -- MS201

-- PostgreSQL 12 and newer inline this one; no text tells that.
ALTER TABLE billing.rates ADD COLUMN one integer DEFAULT inlined_one(); -- MS201
