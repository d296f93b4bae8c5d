-- One of everything that has facts, under names that need care. tests/db/test_facts.py changes it.
CREATE EXTENSION citext;
CREATE SCHEMA app;
CREATE SCHEMA "Mixed Case";
COMMENT ON SCHEMA app IS 'It''s the app';

CREATE TYPE public.status AS ENUM ('active', 'paused', 'we''ird ☃');
CREATE DOMAIN "Mixed Case"."E-Mail" AS text COLLATE "C" DEFAULT 'x@y' NOT NULL
    CONSTRAINT has_at CHECK (VALUE ~ '@');
CREATE TYPE app.address AS (street text, "Zip Code" varchar(10));
CREATE TYPE app.floatrange AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE SEQUENCE app."Ticket No" INCREMENT BY 5 START WITH 100 CACHE 3;
CREATE SEQUENCE app.lonely;

CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.body := upper(NEW.body); RETURN NEW;
END $$;
CREATE FUNCTION app."Twice Of"(n integer, "More" text DEFAULT 'x') RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT n::bigint * 2';
CREATE FUNCTION app.rows_of(n integer) RETURNS TABLE (a integer, b text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = app, pg_temp AS 'SELECT n, ''b''';
CREATE PROCEDURE app.work(n integer) LANGUAGE plpgsql AS 'BEGIN PERFORM n; END';
CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE AGGREGATE app.total(bigint) (sfunc = int8pl, stype = bigint, initcond = '0');

CREATE TABLE app."Order" (
    "Id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "naïve col" text DEFAULT 'a' NOT NULL,
    amount numeric(10, 2) DEFAULT 0,
    total numeric GENERATED ALWAYS AS (amount * 2) STORED,
    state public.status DEFAULT 'active',
    mail "Mixed Case"."E-Mail",
    place app.address,
    label varchar(20) COLLATE "C",
    at timestamptz DEFAULT '2020-01-01 00:00+02',
    span interval DEFAULT '1 day 02:00',
    blob bytea DEFAULT '\x00ff',
    ratio double precision DEFAULT 0.1,
    nick public.citext,
    "group" integer DEFAULT 1,
    tax numeric(10, 2),
    CONSTRAINT "positive amount" CHECK (amount >= 0),
    EXCLUDE USING btree ("group" WITH =) DEFERRABLE
);
ALTER SEQUENCE app."Ticket No" OWNED BY app."Order"."group";
COMMENT ON COLUMN app."Order"."naïve col" IS 'über';

CREATE TABLE public.notes (
    id serial PRIMARY KEY,
    order_id bigint,
    body text,
    code integer,
    slug text,
    at date,
    CONSTRAINT code_once UNIQUE (code),
    CONSTRAINT body_short CHECK (length(body) < 100)
);
ALTER TABLE public.notes ADD CONSTRAINT "of order" FOREIGN KEY (order_id)
    REFERENCES app."Order" ON DELETE CASCADE;
ALTER TABLE public.notes ADD CONSTRAINT later CHECK (code > 0) NOT VALID;
ALTER TABLE public.notes SET (fillfactor = 90);
CREATE INDEX "Partial Idx" ON public.notes (code) WHERE body IS NOT NULL;
CREATE INDEX slug_like ON public.notes (slug text_pattern_ops) INCLUDE (code);
CREATE UNIQUE INDEX slug_once ON public.notes (lower(slug)) WITH (fillfactor = 70);
CREATE UNIQUE INDEX at_once ON public.notes (at);
CREATE STATISTICS app."Stats Of" (dependencies) ON code, slug FROM public.notes;
CREATE TRIGGER "touch it" BEFORE UPDATE ON public.notes FOR EACH ROW
    WHEN (OLD.body IS DISTINCT FROM NEW.body) EXECUTE FUNCTION app.touch();
CREATE CONSTRAINT TRIGGER checked AFTER INSERT ON public.notes DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION app.touch();
CREATE RULE "no delete" AS ON DELETE TO public.notes DO INSTEAD NOTHING;
ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY "see own" ON public.notes FOR SELECT TO pg_monitor
    USING (order_id IN (SELECT o."Id" FROM app."Order" AS o WHERE o.state = 'active'));
CREATE POLICY narrow ON public.notes AS RESTRICTIVE USING (code > 0) WITH CHECK (code < 10);
COMMENT ON TABLE public.notes IS 'Notes';
COMMENT ON CONSTRAINT body_short ON public.notes IS 'short';
COMMENT ON INDEX public."Partial Idx" IS 'partial';
GRANT SELECT, INSERT ON public.notes TO pg_monitor WITH GRANT OPTION;
GRANT UPDATE (body) ON public.notes TO pg_monitor;
REVOKE EXECUTE ON FUNCTION app.touch() FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO pg_monitor;

CREATE TABLE app.events (id bigint NOT NULL, at date NOT NULL, PRIMARY KEY (id, at))
    PARTITION BY RANGE (at);
CREATE TABLE app.events_2024 PARTITION OF app.events
    FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE app.events_rest PARTITION OF app.events DEFAULT;
CREATE TABLE app.events_old PARTITION OF app.events
    FOR VALUES FROM ('2000-01-01') TO ('2024-01-01') PARTITION BY LIST (id);
CREATE TABLE app.events_older PARTITION OF app.events_old DEFAULT;
CREATE INDEX events_at ON app.events (at);
CREATE TABLE app.parent (a integer, b text);
CREATE TABLE app.child (c integer) INHERITS (app.parent);
CREATE UNLOGGED TABLE app.cache (k text, v jsonb DEFAULT '{"a": 1}');

CREATE VIEW app."View Of" WITH (security_barrier = true) AS
    SELECT o."Id", o.amount AS "How Much", o.state, upper(o.label) AS label
    FROM app."Order" AS o WHERE o.amount > 1 ORDER BY o.label, o.amount;
CREATE VIEW app.joined AS
    SELECT n.id, o."Id" AS order_id, (SELECT count(*) FROM public.notes AS x WHERE x.id < n.id) AS c
    FROM public.notes AS n JOIN app."Order" AS o ON o."Id" = n.order_id;
CREATE MATERIALIZED VIEW app.summary AS SELECT state, count(*) AS n FROM app."Order" GROUP BY state;
CREATE UNIQUE INDEX summary_state ON app.summary (state);

CREATE COLLATION app.plain (provider = libc, locale = 'C');
CREATE FUNCTION app.status_of(integer) RETURNS public.status LANGUAGE sql IMMUTABLE
    AS 'SELECT ''active''::public.status';
CREATE CAST (integer AS public.status) WITH FUNCTION app.status_of(integer) AS ASSIGNMENT;
CREATE OPERATOR app.<<>> (leftarg = integer, rightarg = integer, function = int4ne);
CREATE TEXT SEARCH CONFIGURATION app.words (COPY = pg_catalog.simple);
CREATE EVENT TRIGGER "On Ddl" ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
    EXECUTE FUNCTION app.on_ddl();
CREATE PUBLICATION "Pub" FOR TABLE public.notes, app.events WITH (publish = 'insert, update');
CREATE FOREIGN DATA WRAPPER dummy;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER dummy OPTIONS (password 'hunter2');
CREATE FOREIGN TABLE app.remote (a integer OPTIONS (secret 'hunter2')) SERVER elsewhere
    OPTIONS (token 'hunter2');

-- What is left out.
CREATE TABLE public._prisma_migrations (id text PRIMARY KEY, checksum text NOT NULL);
CREATE TABLE app.goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL);
CREATE TABLE public.schema_migrations (version varchar(128) PRIMARY KEY);
CREATE SCHEMA migsafe;
CREATE TABLE migsafe.receipts (id integer);
