"""Every kind of drift shows in the facts, and only where it is; read on a real PostgreSQL."""

# ruff: noqa: E501  # a list of statements

import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from migsafe import facts
from migsafe.catalog import queries, schema, undo
from migsafe.catalog.picture import Owner
from migsafe.errors import UnreachableError
from migsafe.facts import Facts, Key
from tests.conftest import database_url
from tests.faults import enough

SCHEMA = (Path(__file__).parents[1] / "cases" / "facts" / "schema.sql").read_text("utf-8")

Connection = psycopg.Connection[Any]


class Drift(NamedTuple):
    """One statement, the objects that facts may differ about, and what it touches.

    `touched` are relations, types as ``type NAME`` and functions as ``function NAME(ARGS)``, in the
    form of a cast to regclass and so on. `whole` says that undo has a statement for all of it, and
    None that its statements need what has another name now.
    """

    name: str
    sql: str
    about: tuple[str, ...]
    touched: tuple[str, ...] = ()
    since: int = 13
    whole: bool | None = True


NOTES, ORDER, EVENTS = "public.notes", 'app."Order"', "app.events"


def on(table: str, name: str, sql: str, *also: str, **more: Any) -> Drift:
    """Build a drift of one table; `also` are other objects that differ."""
    return Drift(name, sql, (table, *also), (table,), **more)


#: The mutations of reference/frameworks.md, 6.2.
KNOWN = [
    on(NOTES, "column dropped", "ALTER TABLE public.notes DROP COLUMN at"),
    on(NOTES, "column added", "ALTER TABLE public.notes ADD COLUMN extra text DEFAULT 'x' NOT NULL"),
    on(NOTES, "nullability", "ALTER TABLE public.notes ALTER COLUMN body SET NOT NULL"),
    on("app.child", "int to bigint", "ALTER TABLE app.child ALTER COLUMN c TYPE bigint"),
    on(ORDER, "numeric scale", 'ALTER TABLE app."Order" ALTER COLUMN tax TYPE numeric(10, 3)'),
    on(NOTES, "index dropped", "DROP INDEX public.slug_like"),
    on(NOTES, "index turned unique",
       "DROP INDEX public.slug_like; CREATE UNIQUE INDEX slug_like ON public.notes (slug)",
       whole=False),
    on(NOTES, "unique constraint dropped", "ALTER TABLE public.notes DROP CONSTRAINT code_once"),
    on(NOTES, "FK dropped", 'ALTER TABLE public.notes DROP CONSTRAINT "of order"'),
    on(NOTES, "FK action", 'ALTER TABLE public.notes DROP CONSTRAINT "of order",'
       ' ADD CONSTRAINT "of order" FOREIGN KEY (order_id) REFERENCES app."Order" ON DELETE RESTRICT'),
    Drift("table renamed", "ALTER TABLE app.cache RENAME TO hoard", ("app.cache", "app.hoard"),
          ("app.cache", "app.hoard"), whole=None),
    Drift("extra table", "CREATE TABLE app.extra (id integer)", ("app.extra",), ("app.extra",)),
    on(ORDER, "column comment", """COMMENT ON COLUMN app."Order"."naïve col" IS 'other'"""),
    on(ORDER, "default changed", """ALTER TABLE app."Order" ALTER COLUMN "naïve col" SET DEFAULT 'b'"""),
    on(ORDER, "default dropped", 'ALTER TABLE app."Order" ALTER COLUMN "group" DROP DEFAULT'),
    on(NOTES, "partial index predicate",
       'DROP INDEX public."Partial Idx"; CREATE INDEX "Partial Idx" ON public.notes (code) '
       "WHERE body IS NULL", whole=False),
    on(NOTES, "INVALID index", "UPDATE pg_index SET indisvalid = false "
       "WHERE indexrelid = 'public.slug_like'::regclass"),
    on(NOTES, "named CHECK dropped", "ALTER TABLE public.notes DROP CONSTRAINT body_short"),
    on(NOTES, "CHECK body changed", "ALTER TABLE public.notes DROP CONSTRAINT body_short, "
       "ADD CONSTRAINT body_short CHECK (length(body) < 1000)"),
    on(ORDER, "CHECK NOT VALID", 'ALTER TABLE app."Order" DROP CONSTRAINT "positive amount", '
       'ADD CONSTRAINT "positive amount" CHECK (amount >= 0) NOT VALID'),
    on(NOTES, "FK NOT VALID", 'ALTER TABLE public.notes DROP CONSTRAINT "of order",'
       ' ADD CONSTRAINT "of order" FOREIGN KEY (order_id) REFERENCES app."Order" '
       "ON DELETE CASCADE NOT VALID"),
    on(NOTES, "primary key dropped", "ALTER TABLE public.notes DROP CONSTRAINT notes_pkey"),
    Drift("enum value added", "ALTER TYPE public.status ADD VALUE 'new' BEFORE 'paused'",
          ("public.status",), ("type public.status",), whole=False),
    on('app."View Of"', "view body", 'CREATE OR REPLACE VIEW app."View Of" WITH (security_barrier)'
       ' AS SELECT "Id", amount AS "How Much", state, lower(label) AS label FROM app."Order"'),
    Drift("matview dropped", "DROP MATERIALIZED VIEW app.summary", ("app.summary",), ("app.summary",)),
    Drift("function body", "CREATE OR REPLACE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql "
          "AS 'BEGIN RETURN NEW; END'", ("app.touch()",), ("function app.touch()",)),
    on(NOTES, "trigger dropped", 'DROP TRIGGER "touch it" ON public.notes'),
    on(NOTES, "trigger disabled", 'ALTER TABLE public.notes DISABLE TRIGGER "touch it"'),
    on(ORDER, "foreign key switched off", 'ALTER TABLE app."Order" DISABLE TRIGGER ALL', whole=False),
    Drift("trigger disabled on one partition",
          "CREATE TRIGGER each BEFORE INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.touch(); "
          "ALTER TABLE app.events_2024 DISABLE TRIGGER each",
          (EVENTS, "app.events_2024"), (EVENTS, "app.events_2024"), whole=False),
    on(ORDER, "options of a primary key", 'ALTER INDEX app."Order_pkey" SET (fillfactor = 50)', whole=False),
    Drift("sequence dropped", "DROP SEQUENCE app.lonely", ("app.lonely",), ("app.lonely",)),
    on(NOTES, "serial default dropped", "ALTER TABLE public.notes ALTER COLUMN id DROP DEFAULT"),
    on(NOTES, "GRANT revoked", "REVOKE INSERT ON public.notes FROM pg_monitor", whole=False),
    on(NOTES, "RLS disabled", "ALTER TABLE public.notes DISABLE ROW LEVEL SECURITY"),
    on(NOTES, "policy dropped", 'DROP POLICY "see own" ON public.notes'),
    on(NOTES, "owner", "ALTER TABLE public.notes OWNER TO pg_monitor", "public.notes_id_seq"),
    Drift("extension dropped", 'ALTER TABLE app."Order" DROP COLUMN nick; DROP EXTENSION citext',
          ("citext", ORDER), (ORDER, "other")),
    on(NOTES, "replica identity", "ALTER TABLE public.notes REPLICA IDENTITY FULL"),
    on("app.cache", "UNLOGGED", "ALTER TABLE app.cache SET LOGGED"),
    on(NOTES, "fillfactor", "ALTER TABLE public.notes SET (fillfactor = 50)"),
    on("app.cache", "collation", 'ALTER TABLE app.cache ALTER COLUMN k TYPE text COLLATE "POSIX"'),
]  # fmt: skip

MORE = [
    on(ORDER, "identity", 'ALTER TABLE app."Order" ALTER COLUMN "Id" SET GENERATED BY DEFAULT'),
    on(ORDER, "identity dropped", 'ALTER TABLE app."Order" ALTER COLUMN "Id" DROP IDENTITY',
       'app."Order_Id_seq"'),
    on(ORDER, "generated expression", 'ALTER TABLE app."Order" DROP COLUMN total, '
       "ADD COLUMN total numeric GENERATED ALWAYS AS (amount * 3) STORED", whole=False),
    on(ORDER, "generated dropped", 'ALTER TABLE app."Order" ALTER COLUMN total DROP EXPRESSION',
       whole=False),
    on(ORDER, "default of an enum", 'ALTER TABLE app."Order" ALTER COLUMN state SET DEFAULT NULL'),
    Drift("enum value renamed", "ALTER TYPE public.status RENAME VALUE 'active' TO 'live'",
          ("public.status", ORDER, NOTES), ("type public.status",), whole=None),
    Drift("enum order", "UPDATE pg_enum SET enumsortorder = 9 WHERE enumlabel = 'active'",
          ("public.status",), ("type public.status",), whole=None),
    Drift("type renamed", "ALTER TYPE public.status RENAME TO condition",
          ("public.status", "public.condition", ORDER, NOTES, "app.status_of(integer)",
           "integer AS public.status", "integer AS public.condition"),
          ("type public.status", "type public.condition"), whole=None),
    Drift("domain constraint", """ALTER DOMAIN "Mixed Case"."E-Mail" DROP CONSTRAINT has_at""",
          ('"Mixed Case"."E-Mail"',), ('type "Mixed Case"."E-Mail"',)),
    Drift("domain nullability", """ALTER DOMAIN "Mixed Case"."E-Mail" DROP NOT NULL""",
          ('"Mixed Case"."E-Mail"',), ('type "Mixed Case"."E-Mail"',)),
    Drift("domain default", """ALTER DOMAIN "Mixed Case"."E-Mail" SET DEFAULT 'y@x'""",
          ('"Mixed Case"."E-Mail"',), ('type "Mixed Case"."E-Mail"',)),
    Drift("composite attribute", 'ALTER TYPE app.address DROP ATTRIBUTE "Zip Code"',
          ("app.address",), ("type app.address",)),
    Drift("range dropped", "DROP TYPE app.floatrange", ("app.floatrange",), ("type app.floatrange",),
          whole=False),
    Drift("sequence increment", 'ALTER SEQUENCE app."Ticket No" INCREMENT BY 1',
          ('app."Ticket No"',), ('app."Ticket No"',)),
    Drift("sequence type", "ALTER SEQUENCE app.lonely AS smallint CYCLE CACHE 9", ("app.lonely",),
          ("app.lonely",)),
    Drift("sequence ownership", 'ALTER SEQUENCE app."Ticket No" OWNED BY NONE',
          ('app."Ticket No"',), ('app."Ticket No"',)),
    Drift("volatility", 'ALTER FUNCTION app."Twice Of" STABLE CALLED ON NULL INPUT PARALLEL UNSAFE',
          ('app."Twice Of"(n integer, "More" text)',), ('function app."Twice Of"(integer, text)',)),
    Drift("function default", """CREATE OR REPLACE FUNCTION app."Twice Of"(n integer, "More" text
          DEFAULT 'y') RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
          AS 'SELECT n::bigint * 2'""", ('app."Twice Of"(n integer, "More" text)',),
          ('function app."Twice Of"(integer, text)',), whole=False),
    Drift("security definer", "ALTER FUNCTION app.rows_of SECURITY INVOKER ROWS 5 COST 7",
          ("app.rows_of(n integer)",), ("function app.rows_of(integer)",), whole=False),
    Drift("search_path of a function", "ALTER FUNCTION app.rows_of SET search_path = public",
          ("app.rows_of(n integer)",), ("function app.rows_of(integer)",)),
    Drift("function dropped", "DROP FUNCTION app.rows_of", ("app.rows_of(n integer)",),
          ("function app.rows_of(integer)",)),
    Drift("function extra", "CREATE FUNCTION app.rows_of(text) RETURNS text LANGUAGE sql AS 'SELECT 1'",
          ("app.rows_of(text)",), ("function app.rows_of(text)",)),
    Drift("procedure dropped", "DROP PROCEDURE app.work",
          ("app.work(n integer)",), ("function app.work(integer)",)),
    Drift("function renamed", "ALTER FUNCTION app.touch() RENAME TO tap",
          ("app.touch()", "app.tap()", NOTES), ("function app.touch()", "function app.tap()"),
          whole=None),
    Drift("aggregate", "DROP AGGREGATE app.total(bigint); CREATE AGGREGATE app.total(bigint)"
          " (sfunc = int8pl, stype = bigint, initcond = '1')", ("app.total(bigint)",),
          ("function app.total(bigint)",), whole=False),
    on(NOTES, "trigger WHEN", """DROP TRIGGER "touch it" ON public.notes; CREATE TRIGGER "touch it"
       BEFORE UPDATE ON public.notes FOR EACH ROW WHEN (NEW.body IS NULL)
       EXECUTE FUNCTION app.touch()"""),
    on(NOTES, "constraint trigger", "DROP TRIGGER checked ON public.notes"),
    on(NOTES, "policy roles", 'ALTER POLICY "see own" ON public.notes TO public'),
    on(NOTES, "policy condition", "ALTER POLICY narrow ON public.notes USING (code > 1)"
       " WITH CHECK (code < 9)"),
    on(NOTES, "policy made permissive", "DROP POLICY narrow ON public.notes; CREATE POLICY narrow "
       "ON public.notes USING (code > 0) WITH CHECK (code < 10)", whole=False),
    on(NOTES, "forced RLS", "ALTER TABLE public.notes FORCE ROW LEVEL SECURITY"),
    on("app.events_2024", "partition detached", "ALTER TABLE app.events DETACH PARTITION app.events_2024"),
    on("app.events_2024", "partition bound", "ALTER TABLE app.events DETACH PARTITION app.events_2024;"
       " ALTER TABLE app.events ATTACH PARTITION app.events_2024"
       " FOR VALUES FROM ('2024-01-01') TO ('2024-06-01')", whole=False),
    on("app.events", "column of a partitioned table", "ALTER TABLE app.events RENAME COLUMN id TO no",
       "app.events_2024", "app.events_rest", "app.events_old", "app.events_older", whole=None),
    on("app.child", "inheritance", "ALTER TABLE app.child NO INHERIT app.parent"),
    on(NOTES, "rule", 'DROP RULE "no delete" ON public.notes'),
    on(NOTES, "rule disabled", 'ALTER TABLE public.notes DISABLE RULE "no delete"'),
    on(NOTES, "statistics object", 'DROP STATISTICS app."Stats Of"', 'app."Stats Of"'),
    on(NOTES, "deferrable FK", 'ALTER TABLE public.notes ALTER CONSTRAINT "of order" DEFERRABLE'),
    on(NOTES, "deferrable unique", "ALTER TABLE public.notes DROP CONSTRAINT code_once,"
       " ADD CONSTRAINT code_once UNIQUE (code) DEFERRABLE INITIALLY DEFERRED"),
    on(NOTES, "validated", "ALTER TABLE public.notes VALIDATE CONSTRAINT later", whole=False),
    on(NOTES, "opclass", "DROP INDEX public.slug_like; CREATE INDEX slug_like ON public.notes (slug)"
       " INCLUDE (code)", whole=False),
    on(NOTES, "INCLUDE column", "DROP INDEX public.slug_like; CREATE INDEX slug_like ON public.notes"
       " (slug text_pattern_ops)", whole=False),
    on(NOTES, "NULLS NOT DISTINCT", "ALTER TABLE public.notes DROP CONSTRAINT code_once,"
       " ADD CONSTRAINT code_once UNIQUE NULLS NOT DISTINCT (code)", since=15),
    on(NOTES, "NOT ENFORCED", "ALTER TABLE public.notes DROP CONSTRAINT body_short, ADD CONSTRAINT"
       " body_short CHECK (length(body) < 100) NOT ENFORCED", since=18, whole=False),
    on(NOTES, "NOT NULL NOT VALID", "ALTER TABLE public.notes ADD CONSTRAINT nn NOT NULL body"
       " NOT VALID", since=18),
    on(ORDER, "virtual column", 'ALTER TABLE app."Order" ADD COLUMN v integer GENERATED ALWAYS AS'
       ' ("group" + 1) VIRTUAL', since=18),
    on('app."View Of"', "view option", 'ALTER VIEW app."View Of" RESET (security_barrier)'),
    Drift("view column renamed", 'ALTER VIEW app.joined RENAME COLUMN c TO d', ("app.joined",),
          ("app.joined",), whole=None),
    Drift("view dropped", 'DROP VIEW app."View Of"', ('app."View Of"',), ('app."View Of"',)),
    on("app.summary", "matview definition", "DROP MATERIALIZED VIEW app.summary; CREATE MATERIALIZED"
       ' VIEW app.summary AS SELECT state, 1 AS n FROM app."Order" GROUP BY state', whole=False),
    on("app.summary", "matview emptied", "REFRESH MATERIALIZED VIEW app.summary WITH NO DATA"),
    on(NOTES, "storage", "ALTER TABLE public.notes ALTER COLUMN body SET STORAGE EXTERNAL", whole=False),
    on(NOTES, "compression", "ALTER TABLE public.notes ALTER COLUMN body SET COMPRESSION pglz",
       since=14),
    on(NOTES, "statistics target", "ALTER TABLE public.notes ALTER COLUMN body SET STATISTICS 500"),
    on(NOTES, "clustered", "ALTER TABLE public.notes CLUSTER ON slug_like"),
    on(NOTES, "replica identity index", "ALTER TABLE public.notes ALTER at SET NOT NULL,"
       " REPLICA IDENTITY USING INDEX at_once"),
    on(NOTES, "options of an index", "ALTER INDEX public.slug_once SET (fillfactor = 60)", whole=False),
    on(NOTES, "comment on a constraint", "COMMENT ON CONSTRAINT body_short ON public.notes IS NULL"),
    on(NOTES, "comment on an index", """COMMENT ON INDEX public."Partial Idx" IS 'it''s \\ odd'"""),
    on(NOTES, "column renamed", "ALTER TABLE public.notes RENAME COLUMN order_id TO oid_",
       "app.joined", whole=None),
    Drift("referenced table renamed", 'ALTER TABLE app."Order" RENAME TO orders',
          (ORDER, "app.orders", NOTES, "app.joined", "app.summary", 'app."View Of"',
           'app."Ticket No"', 'app."Order_Id_seq"'), (ORDER, "app.orders"), whole=None),
    on(NOTES, "column grant", "REVOKE UPDATE (body) ON public.notes FROM pg_monitor", whole=False),
    Drift("function grant", "GRANT EXECUTE ON FUNCTION app.touch() TO PUBLIC", ("app.touch()",),
          ("function app.touch()",), whole=False),
    Drift("default privileges", "ALTER DEFAULT PRIVILEGES IN SCHEMA app REVOKE SELECT ON TABLES FROM"
          " pg_monitor", ("postgres in app on tables",), ("other",), whole=False),
    Drift("event trigger disabled", 'ALTER EVENT TRIGGER "On Ddl" DISABLE', ('"On Ddl"',), ("other",)),
    Drift("publication without a table", 'ALTER PUBLICATION "Pub" DROP TABLE app.events', ('"Pub"',),
          ("other",)),
    Drift("publication options", """ALTER PUBLICATION "Pub" SET (publish = 'insert')""", ('"Pub"',),
          ("other",)),
    Drift("publication of generated columns", 'ALTER PUBLICATION "Pub" SET (publish_generated_columns = stored)',
          ('"Pub"',), ("other",), since=18, whole=False),
    Drift("cast dropped", "DROP CAST (integer AS public.status)", ("integer AS public.status",),
          ("other",), whole=False),
    Drift("operator dropped", "DROP OPERATOR app.<<>> (integer, integer)",
          ("app.<<>>(integer,integer)",), ("other",), whole=False),
    Drift("collation dropped", "DROP COLLATION app.plain", ("app.plain",), ("other",), whole=False),
    Drift("collation's LC_CTYPE", "DROP COLLATION app.plain; CREATE COLLATION app.plain (lc_collate = 'C', "
          "lc_ctype = 'POSIX')", ("app.plain",), ("other",), whole=False),
    Drift("text search", "ALTER TEXT SEARCH CONFIGURATION app.words DROP MAPPING FOR email",
          ("app.words",), ("other",), whole=False),
    Drift("schema dropped", "DROP SCHEMA IF EXISTS spare; CREATE SCHEMA spare", ("spare",), ("other",)),
    Drift("schema comment", "COMMENT ON SCHEMA app IS NULL", ("app",), ("other",)),
    Drift("foreign table dropped", "DROP FOREIGN TABLE app.remote", ("app.remote",), ("app.remote",),
          whole=None),
]  # fmt: skip

DRIFTS = [*KNOWN, *MORE]


@pytest.fixture(scope="module")
def rich(server: str) -> Iterator[Connection]:
    """Session on a database with one of everything; a test rolls back what it does."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        with psycopg.connect(database_url(server, name), autocommit=True) as conn:
            conn.execute(SCHEMA)
            yield conn
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def clean(rich: Connection) -> dict[Owner, dict[Key, str]]:
    """The facts of the rich schema, by owner."""
    return schema.read(rich)


@pytest.mark.parametrize("drift", enough(DRIFTS), ids=lambda drift: drift.name)
def test_a_drift_shows_where_it_is_and_can_be_undone(
    drift: Drift,
    rich: Connection,
    clean: dict[Owner, dict[Key, str]],
    server_major: int,
) -> None:
    if server_major < drift.since:
        pytest.skip(f"PostgreSQL {drift.since} brought it")
    with rich.transaction(force_rollback=True):
        before = _oids(rich, drift.touched)
        wider = schema.dependents(rich, before)
        rich.execute(drift.sql)
        full = schema.read(rich)
        touched = _united(wider, schema.dependents(rich, _oids(rich, drift.touched)))

        found = list(facts.differences(schema.facts(full), schema.facts(clean)))
        assert found
        assert {difference.key.object for difference in found} <= set(drift.about)
        assert _advanced(clean, touched, schema.read(rich, touched)) == full
        if drift.whole is None:
            return
        left = _undone(rich, schema.facts(clean))
        assert [str(item.key) for item in left if undo.statement(item, schema.facts(clean))] == []
        if drift.whole:
            assert left == []


def _oids(conn: Connection, touched: tuple[str, ...]) -> dict[str, set[int]]:
    """Resolve the touched objects that are there now."""
    oids: dict[str, set[int]] = {}
    for item in touched:
        kind, _, name = item.rpartition(" ") if item.startswith("type ") else ("", "", item)
        if item == "other":
            oids["other"] = {0}
            continue
        kind, cast = "relation", "regclass"
        name = item
        for prefix, function in (("type", "regtype"), ("function", "regprocedure")):
            if item.startswith(f"{prefix} "):
                kind, cast, name = prefix, function, item.removeprefix(f"{prefix} ")
        row = conn.execute(f"SELECT to_{cast}(%s)::oid::bigint", [name]).fetchone()
        if row and row[0]:
            oids.setdefault(kind, set()).add(row[0])
    return oids


def _united(*parts: dict[str, set[int]]) -> dict[str, set[int]]:
    return {
        kind: set().union(*(part.get(kind, set()) for part in parts))
        for kind in {kind for part in parts for kind in part}
    }


def _advanced(
    state: dict[Owner, dict[Key, str]],
    touched: dict[str, set[int]],
    read: dict[Owner, dict[Key, str]],
) -> dict[Owner, dict[Key, str]]:
    """Return the state after the touched owners were read again."""
    again = {(kind, oid) for kind, oids in touched.items() for oid in oids}
    return {owner: owned for owner, owned in state.items() if owner not in again} | read


def _undone(conn: Connection, expected: Facts) -> list[facts.Difference]:
    """Run what undo proposes until nothing more changes; return the differences that stay."""
    for _ in range(5):
        left = list(
            facts.differences(facts.kept(schema.facts(schema.read(conn))), facts.kept(expected))
        )
        for difference in left:
            statement = undo.statement(difference, expected)
            if statement:
                _try(conn, statement)
        if not left:
            break
    return left


def _try(conn: Connection, statement: str) -> None:
    """Run a statement that another one may already have made needless."""
    with suppress(psycopg.Error), conn.transaction():
        conn.execute(statement)


def test_reading_twice_gives_the_same(rich: Connection) -> None:
    assert schema.read(rich) == schema.read(rich)


def test_two_databases_made_by_the_same_statements_have_the_same_facts(
    rich: Connection, conn: Connection
) -> None:
    conn.execute(SCHEMA)
    one, other = schema.facts(schema.read(rich)), schema.facts(schema.read(conn))
    assert facts.delta(one, other) == {}
    assert len(one) > 200


def test_a_reading_of_some_owners_returns_these_alone(rich: Connection) -> None:
    oids = _oids(rich, (NOTES, "type public.status", "function app.touch()"))
    some = schema.read(rich, oids)
    assert {(kind, oid) for kind, ids in oids.items() for oid in ids} == some.keys()
    full = schema.read(rich)
    assert some == {owner: full[owner] for owner in some}
    assert schema.read(rich, {}) == {}
    assert schema.read(rich, {"relation": [1], "type": [1], "function": [1]}) == {}


def test_an_index_stands_for_its_table_and_a_composite_for_its_type(rich: Connection) -> None:
    wider = schema.dependents(rich, _oids(rich, ("public.slug_like", "app.address")))
    expected = _oids(rich, (NOTES, "type app.address"))
    assert expected["relation"] <= wider["relation"]
    assert expected["type"] == wider["type"]


def test_what_belongs_to_the_server_to_tools_and_to_migsafe_is_left_out(rich: Connection) -> None:
    rich.execute("CREATE TEMPORARY TABLE IF NOT EXISTS passing (id serial PRIMARY KEY)")
    keys = schema.facts(schema.read(rich)).keys()
    names = {key.object for key in keys} | {key.part for key in keys}
    for part in ("passing", "goose", "_prisma", "migrations", "migsafe", "pg_toast", "citext("):
        assert [name for name in names if part in name] == []


def test_a_table_of_the_application_with_a_ledgers_name_has_facts(conn: Connection) -> None:
    conn.execute("CREATE TABLE schema_migrations (id bigint, name text)")
    assert Key("table", "public.schema_migrations", "", "") in schema.facts(schema.read(conn))


def test_options_that_may_hold_passwords_are_not_read(rich: Connection) -> None:
    assert "hunter2" not in str(schema.read(rich))


SETTINGS = "SELECT name, setting FROM pg_settings WHERE source <> 'default' ORDER BY 1"


@pytest.mark.parametrize("few", [False, True])
def test_the_settings_of_the_session_are_as_before(rich: Connection, few: bool) -> None:
    touched = _oids(rich, (NOTES,)) if few else None
    rich.execute(
        "SET search_path = app, public; SET DateStyle = 'German'; SET TimeZone = 'Asia/Tokyo'"
    )
    clean = schema.read(rich, touched)
    before = rich.execute(SETTINGS).fetchall()
    assert schema.read(rich, touched) == clean
    assert rich.execute(SETTINGS).fetchall() == before
    with rich.transaction():
        rich.execute("SET LOCAL search_path = pg_catalog; SET LOCAL quote_all_identifiers = on")
        within = rich.execute(SETTINGS).fetchall()
        assert schema.read(rich, touched) == clean
        assert rich.execute(SETTINGS).fetchall() == within
    assert rich.execute(SETTINGS).fetchall() == before
    rich.execute("RESET ALL")


@pytest.mark.parametrize("mode", ["READ ONLY", "ISOLATION LEVEL REPEATABLE READ READ ONLY"])
def test_a_transaction_of_the_caller_serves(rich: Connection, mode: str) -> None:
    clean = schema.read(rich)
    rich.execute(f"BEGIN {mode}")
    assert schema.read(rich) == clean
    assert rich.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
    rich.execute("COMMIT")


def test_a_session_that_begins_transactions_itself_serves(database: str, conn: Connection) -> None:
    conn.execute(SCHEMA)
    with psycopg.connect(database) as session:
        assert schema.read(session) == schema.read(conn)
        assert session.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        session.execute("CREATE TABLE mine (id integer)")
        assert Key("table", "public.mine", "", "") in schema.facts(schema.read(session))
        session.rollback()


def test_a_failed_transaction_of_the_caller_is_left_as_it_is(rich: Connection) -> None:
    rich.execute("BEGIN")
    with pytest.raises(psycopg.errors.UndefinedTable):
        rich.execute("SELECT * FROM nothing_there")
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        schema.read(rich)
    rich.execute("ROLLBACK")
    assert schema.read(rich)


def test_a_session_that_forgot_its_prepared_statements_serves(database: str) -> None:
    with psycopg.connect(database, autocommit=True, prepare_threshold=0) as session:
        session.execute("CREATE TABLE mine (id integer)")
        touched = _oids(session, ("public.mine",))
        before = schema.read(session, touched)
        session.pgconn.exec_(b"DEALLOCATE ALL")
        assert schema.read(session, touched) == before
        assert schema.dependents(session, touched) == touched


def test_a_definition_that_cannot_be_had_is_no_reading(rich: Connection) -> None:
    with rich.transaction(force_rollback=True):
        rich.execute(f"COMMENT ON TABLE public.notes IS '{queries.MISSING}'")
        with pytest.raises(UnreachableError, match=r"^schema: .*; run the command again$"):
            schema.read(rich)
    assert schema.read(rich)


def test_a_role_without_rights_reads_the_same(rich: Connection) -> None:
    clean = schema.read(rich)
    role = f"nobody_{uuid.uuid4().hex[:8]}"
    rich.execute(f"CREATE ROLE {role}")
    try:
        rich.execute(f"SET ROLE {role}")
        assert schema.read(rich) == clean
    finally:
        rich.execute(f"RESET ROLE; DROP ROLE {role}")
