"""Audits derived from pending SQL, asked of real rows: what they say, show, and leave behind."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migsafe import sql, target
from migsafe.audits import derived, run
from migsafe.audits.asking import How
from migsafe.catalog import live
from migsafe.findings import Finding, Severity, Status
from migsafe.hazards import Unit
from tests.cli import cluster, databases
from tests.cli.cluster import Cluster
from tests.conftest import Called

Conn = psycopg.Connection[Any]
Ask = Callable[..., list[Finding]]


@pytest.fixture(scope="module")
def lasting_database(server: str) -> Iterator[str]:
    with databases.lasting(server) as url:
        yield url


@pytest.fixture
def database(lasting_database: str) -> Iterator[str]:
    """URL of an empty database, which the next test gets too."""
    yield lasting_database
    databases.empty(lasting_database)


@pytest.fixture
def ask(database: str) -> Ask:
    """Return a function that derives the questions of a migration, and asks them."""

    def ask_one(text: str, **how: Any) -> list[Finding]:
        return asked(database, text, How(**how))

    return ask_one


def asked(url: str, text: str, how: How | None = None) -> list[Finding]:
    statements = sql.parse(text)
    unit = Unit(name="m", file="m.sql", text=text, statements=statements, transaction=True)
    with psycopg.connect(url, autocommit=True) as conn:
        audits = derived.derive([unit], live.read(conn))
    return run.run(target.parse(url), audits, ["m"], how)


@pytest.fixture
def notes(conn: Conn) -> Conn:
    conn.execute(
        """CREATE TABLE notes (id int PRIMARY KEY, body text, "appointmentId" int);
           INSERT INTO notes SELECT n, 'body ' || n, CASE WHEN n % 10 > 0 THEN n END
           FROM generate_series(1, 300) AS n"""
    )
    return conn


# ---------------------------------------------------------------- verdicts


def test_rows_that_offend_fail_with_their_number_their_keys_and_a_query(
    notes: Conn, ask: Ask
) -> None:
    (found,) = ask('ALTER TABLE notes ALTER "appointmentId" SET NOT NULL')
    assert (found.code, found.name, found.source) == ("MD101", "set-not-null", "derived")
    assert (found.status, found.verdict, found.severity) == (Status.FAILED, "fail", Severity.ERROR)
    assert (found.count, found.exact, found.evidence) == (30, True, "data")
    assert [dict(key) for key in found.keys][:2] == [{"id": 10}, {"id": 20}]
    assert (found.migration, found.file, found.line, found.statement) == ("m", "m.sql", 1, 1)
    query = (found.remedy or "").partition("Begin with: ")[2]
    assert len(notes.execute(query.encode()).fetchall()) == 30


def test_what_was_renamed_is_asked_about_under_the_name_it_has_now(notes: Conn, ask: Ask) -> None:
    found = ask(
        """CREATE SCHEMA other;
           ALTER TABLE notes RENAME COLUMN "appointmentId" TO visit;
           ALTER TABLE notes RENAME TO "Notes";
           ALTER TABLE "Notes" SET SCHEMA other;
           ALTER TABLE other."Notes" ALTER visit SET NOT NULL""",
        show_sql=True,
    )
    assert [(f.verdict, f.count) for f in found] == [("fail", 30)]
    assert (found[0].sql or "").endswith(
        'FROM ONLY "public"."notes" AS t WHERE t."appointmentId" IS NULL'
    )


def test_a_column_that_was_added_is_known_to_hold_its_default(notes: Conn, ask: Ask) -> None:
    found = ask(
        """ALTER TABLE notes ADD a int; ALTER TABLE notes ADD b int DEFAULT 4;
           ALTER TABLE notes ALTER a SET NOT NULL; ALTER TABLE notes ALTER b SET NOT NULL;
           ALTER TABLE notes ADD CHECK (b > 4)"""
    )
    assert [(f.verdict, f.count) for f in found] == [("fail", 300), ("pass", None), ("fail", 300)]


def test_a_repair_before_makes_it_depend_on_that_line(notes: Conn, ask: Ask) -> None:
    (found,) = ask(
        """UPDATE notes SET "appointmentId" = 0 WHERE "appointmentId" IS NULL;
           ALTER TABLE notes ALTER "appointmentId" SET NOT NULL"""
    )
    assert (found.status, found.verdict, found.severity) == ("failed", "depends", "warning")
    assert found.message.startswith(
        "30 rows of notes with NULL in appointmentId; depends on line 1"
    )


@pytest.mark.parametrize(
    ("before", "verdict"),
    [
        ("UPDATE notes SET body = NULL", "pass"),
        ("DELETE FROM notes WHERE id < 9", "pass"),
        ("TRUNCATE notes", "pass"),
        ("INSERT INTO notes VALUES (999, 'x', NULL)", "depends"),
        ("UPDATE notes SET id = id + 1000", "depends"),
        ("WITH w AS (UPDATE notes SET id = id + 1000 RETURNING 1) SELECT * FROM w", "depends"),
        ("DO $$ BEGIN EXECUTE 'UPDATE notes SET id = NULL'; END $$", "depends"),
        ("DO $$ BEGIN EXECUTE current_setting('my.sql'); END $$", "unknown"),
        ("DO $$ BEGIN DROP TABLE notes; END $$", "unknown"),
        ("DO $$ BEGIN COMMIT; END $$", "pass"),
        ("DO $$ BEGIN UPDATE others SET id = NULL; END $$", "pass"),
        ("CALL tidy()", "unknown"),
        ("SELECT sweep()", "unknown"),
    ],
)
def test_only_what_may_break_the_rows_takes_a_pass_away(
    conn: Conn, ask: Ask, before: str, verdict: str
) -> None:
    conn.execute(
        """CREATE TABLE notes (id int, body text, c int); INSERT INTO notes VALUES (1, 'x', 1);
           CREATE TABLE others (id int);
           CREATE PROCEDURE tidy() LANGUAGE plpgsql AS 'BEGIN DELETE FROM notes; END';
           CREATE FUNCTION sweep() RETURNS int LANGUAGE plpgsql AS
               'BEGIN UPDATE notes SET id = NULL; RETURN 1; END'"""
    )
    found = ask(f"{before};\nALTER TABLE notes ALTER id SET NOT NULL")
    assert found[-1].verdict == verdict
    assert (found[-1].status is Status.PASSED) == (verdict == "pass")
    if verdict == "unknown":
        assert found[-1].severity is Severity.ERROR


def test_what_a_block_runs_is_asked_about_and_its_conditions_decide(notes: Conn, ask: Ask) -> None:
    """As Drizzle writes it."""
    notes.execute("CREATE TABLE visits (id int PRIMARY KEY)")
    key = "ALTER TABLE notes ADD CONSTRAINT fk FOREIGN KEY ({}) REFERENCES visits (id)"
    block = "DO $$ BEGIN {}; EXCEPTION WHEN duplicate_object THEN null; END $$"
    (found,) = ask(block.format(key.format('"appointmentId"')))
    assert (found.name, found.verdict, found.count) == ("add-fk", "depends", 270)
    notes.execute("INSERT INTO visits SELECT generate_series(1, 300)")
    (found,) = ask(block.format(key.format("id")))
    assert (found.name, found.verdict, found.count) == ("add-fk", "pass", 0)


def test_a_trigger_that_writes_elsewhere_taints_what_it_may_write(conn: Conn, ask: Ask) -> None:
    conn.execute(
        """CREATE TABLE a (id int); CREATE TABLE b (id int); INSERT INTO b VALUES (1);
           CREATE FUNCTION spread() RETURNS trigger LANGUAGE plpgsql AS
               'BEGIN UPDATE b SET id = NULL; RETURN NEW; END';
           CREATE TRIGGER t AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION spread()"""
    )
    found = ask("INSERT INTO a VALUES (1);\nALTER TABLE b ALTER id SET NOT NULL")
    assert found[-1].verdict == "depends"


def test_a_cascade_is_followed_to_the_rows_that_refer(conn: Conn, ask: Ask) -> None:
    conn.execute(
        """CREATE TABLE p (id int PRIMARY KEY);
           CREATE TABLE c (p_id int REFERENCES p ON DELETE SET NULL);
           INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)"""
    )
    found = ask("DELETE FROM p;\nALTER TABLE c ALTER p_id SET NOT NULL")
    assert [(f.name, f.verdict) for f in found] == [("set-not-null", "depends")]


def test_a_cascade_is_followed_through_keys_and_partitions(conn: Conn, ask: Ask) -> None:
    conn.execute(
        """CREATE TABLE a (id int PRIMARY KEY);
           CREATE TABLE b (id int PRIMARY KEY REFERENCES a ON UPDATE CASCADE);
           CREATE TABLE c (id int REFERENCES b ON UPDATE CASCADE);
           CREATE TABLE p (id int PRIMARY KEY) PARTITION BY LIST (id);
           CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
           CREATE TABLE d (id int REFERENCES p ON DELETE SET NULL);
           INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); INSERT INTO c VALUES (1);
           INSERT INTO p VALUES (1); INSERT INTO d VALUES (1)"""
    )
    for text in (
        "UPDATE a SET id = id + 100; ALTER TABLE c ADD CHECK (id < 50)",
        "INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 60;"
        "ALTER TABLE c ADD CHECK (id < 50)",
        "DELETE FROM p1; ALTER TABLE d ALTER id SET NOT NULL",
    ):
        assert ask(text)[-1].verdict == "depends"
        with pytest.raises(psycopg.Error), conn.transaction():
            conn.execute(text.encode())


def test_a_key_over_a_period_has_no_equal_parent(conn: Conn, ask: Ask, server_major: int) -> None:
    if server_major < 18:
        pytest.skip("PERIOD is of 18")
    conn.execute(
        """CREATE EXTENSION IF NOT EXISTS btree_gist;
           CREATE TABLE p (id int, v daterange, PRIMARY KEY (id, v WITHOUT OVERLAPS));
           CREATE TABLE c (id int, v daterange,
               FOREIGN KEY (id, PERIOD v) REFERENCES p (id, PERIOD v));
           INSERT INTO p VALUES (1, '[2020-01-01,2021-01-01)');
           INSERT INTO c VALUES (1, '[2020-02-01,2020-03-01)')"""
    )
    assert [f.verdict for f in ask("DELETE FROM p")] == ["unknown"]
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        conn.execute("DELETE FROM p")


CODE = """CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (z int REFERENCES p ON DELETE SET NULL);
CREATE TABLE b (id int, z int); CREATE VIEW v AS SELECT * FROM b; CREATE VIEW w AS SELECT * FROM v;
CREATE TABLE whole (id int, z int) PARTITION BY LIST (id);
CREATE TABLE part PARTITION OF whole FOR VALUES IN (1);
CREATE TABLE e (id int);
INSERT INTO p VALUES (1); INSERT INTO c VALUES (1); INSERT INTO b VALUES (1, 1);
INSERT INTO whole VALUES (1, 1);
"""


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ("AS 'DELETE FROM p'", "c"),
        ("AS 'UPDATE v SET z = NULL'", "b"),
        ("AS 'UPDATE w SET z = NULL'", "b"),
        ("AS 'UPDATE part SET z = NULL'", "whole"),
        ("AS 'UPDATE whole SET z = NULL'", "part"),
        ("BEGIN ATOMIC UPDATE b SET z = NULL; END", "b"),
    ],
)
@pytest.mark.parametrize("call", ["SELECT clean()", "INSERT INTO e DEFAULT VALUES"])
def test_code_that_writes_through_something_else_is_followed(
    conn: Conn, ask: Ask, server_major: int, body: str, asked: str, call: str
) -> None:
    if "ATOMIC" in body and server_major < 14:
        pytest.skip("a body in standard SQL is of 14")
    conn.execute(CODE.encode())
    conn.execute(f"CREATE FUNCTION clean() RETURNS void LANGUAGE sql {body}".encode())
    conn.execute(
        """CREATE FUNCTION one() RETURNS int LANGUAGE plpgsql AS
           'BEGIN PERFORM clean(); RETURN 1; END';
           ALTER TABLE e ALTER id SET DEFAULT one()"""
    )
    text = f"{call}; ALTER TABLE {asked} ALTER z SET NOT NULL"
    assert ask(text)[-1].verdict == "unknown"
    with pytest.raises(psycopg.errors.NotNullViolation), conn.transaction():
        conn.execute(text.encode())
    # What it cannot reach is asked as ever.
    if call == "SELECT clean()" and "ATOMIC" not in body:
        assert ask(f"{call}; ALTER TABLE e ALTER id SET NOT NULL")[-1].verdict == "pass"


KEYS = """CREATE TABLE a (id int PRIMARY KEY, tag text);
CREATE TABLE b (id int PRIMARY KEY REFERENCES a ON DELETE CASCADE);
CREATE TABLE c (id int REFERENCES b);
CREATE TABLE nulls (id int NOT NULL REFERENCES a ON DELETE SET NULL);
CREATE TABLE defaults (id int DEFAULT 99 REFERENCES a ON DELETE SET DEFAULT);
CREATE TABLE orders (id int PRIMARY KEY) PARTITION BY LIST (id);
CREATE TABLE orders_1 PARTITION OF orders FOR VALUES IN (1);
CREATE TABLE orders_2 PARTITION OF orders FOR VALUES IN (2);
CREATE TABLE items (id int REFERENCES orders);
CREATE TABLE top (id int); CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (top);
CREATE TABLE leaves (id int REFERENCES heir);
CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree);
INSERT INTO a VALUES (1), (2), (3), (4), (5); INSERT INTO b VALUES (1), (5);
INSERT INTO c VALUES (1); INSERT INTO nulls VALUES (2); INSERT INTO defaults VALUES (3);
INSERT INTO orders VALUES (1), (2); INSERT INTO items VALUES (1);
INSERT INTO heir VALUES (1), (2); INSERT INTO leaves VALUES (1);
INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2);
"""


@pytest.mark.parametrize(
    ("statement", "verdict", "refused"),
    [
        ("DELETE FROM a WHERE id = 1", "fail", True),
        ("DELETE FROM a WHERE id = 2", "fail", True),
        ("DELETE FROM a WHERE id = 3", "unknown", True),
        ("DELETE FROM nulls; DELETE FROM defaults; DELETE FROM b WHERE id = 1", "fail", True),
        ("DELETE FROM orders_1", "fail", True),
        ("DELETE FROM orders_2", "pass", False),
        ("DELETE FROM top WHERE id = 1", "fail", True),
        ("DELETE FROM top WHERE id = 2", "pass", False),
        ("DELETE FROM ONLY top", "", False),
        ("DELETE FROM tree WHERE tree.id > 1", "pass", False),
        ("DELETE FROM tree WHERE tree.id = 1", "fail", True),
        ("TRUNCATE orders_1", "fail", True),
        ("TRUNCATE top", "fail", True),
        ("TRUNCATE ONLY top", "", False),
        ("DROP TABLE orders_1", "fail", True),
        ("DROP TABLE top", "fail", True),
        ("DROP TABLE leaves, heir, top", "", False),
    ],
)
def test_keys_that_refuse_it_are_found_by_cascades_partitions_and_heirs(
    conn: Conn, ask: Ask, statement: str, verdict: str, refused: bool
) -> None:
    conn.execute(KEYS.encode())
    found = [f.verdict for f in ask(statement) if f.severity is Severity.ERROR or f.code == "MD157"]
    worst = next((v for v in ("fail", "unknown", "pass") if v in found), "")
    assert worst == verdict
    if refused:
        with pytest.raises(psycopg.Error), conn.transaction():
            conn.execute(statement.encode())
    else:
        conn.execute(statement.encode())


@pytest.mark.parametrize(
    ("setup", "migration"),
    [
        ("ALTER TABLE b ALTER CONSTRAINT k DEFERRABLE INITIALLY DEFERRED", "{}; DELETE FROM b"),
        ("ALTER TABLE b ALTER CONSTRAINT k DEFERRABLE", "SET CONSTRAINTS ALL DEFERRED; {}"),
        ("", "CREATE RULE r AS ON DELETE TO a DO INSTEAD NOTHING; {}"),
        (
            "CREATE TRIGGER x BEFORE DELETE ON a FOR EACH ROW EXECUTE FUNCTION cancel()",
            "{}",
        ),
    ],
)
def test_a_deleted_row_that_something_may_spare_is_no_certain_failure(
    conn: Conn, ask: Ask, setup: str, migration: str
) -> None:
    conn.execute(
        f"""CREATE TABLE a (id int PRIMARY KEY);
            CREATE TABLE b (id int CONSTRAINT k REFERENCES a);
            INSERT INTO a VALUES (1); INSERT INTO b VALUES (1);
            CREATE FUNCTION cancel() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN RETURN NULL; END';
            {setup}""".encode()
    )
    found = ask(migration.format("DELETE FROM a"))
    assert [f.verdict for f in found if f.code == "MD157"] == ["depends"]
    conn.execute("DELETE FROM b")
    found = ask(migration.format("DELETE FROM a"))
    assert [f.verdict for f in found if f.code == "MD157"] == ["pass"]


@pytest.mark.parametrize(
    "migration",
    [
        "DO $$ BEGIN ALTER TABLE c DROP CONSTRAINT c_p_id_fkey; END $$; DROP TABLE p",
        "DO $$ BEGIN ALTER TABLE c DROP CONSTRAINT c_p_id_fkey; END $$; TRUNCATE p",
        "DO $$ BEGIN DROP VIEW reader; END $$; ALTER TABLE c ALTER v TYPE bigint",
        "DO $$ BEGIN DROP VIEW reader; END $$; ALTER TABLE c DROP COLUMN v",
        "SELECT mk(); ALTER TABLE c ADD FOREIGN KEY (v) REFERENCES p (other)",
    ],
)
def test_code_that_may_have_made_way_leaves_a_refusal_open(
    conn: Conn, ask: Ask, migration: str
) -> None:
    conn.execute(
        """CREATE TABLE p (id int PRIMARY KEY, other int);
           CREATE TABLE c (p_id int REFERENCES p, v int); CREATE VIEW reader AS SELECT v FROM c;
           CREATE FUNCTION mk() RETURNS void LANGUAGE plpgsql AS
               'BEGIN ALTER TABLE p ADD UNIQUE (other); END'"""
    )
    found = [f for f in ask(migration) if f.severity is Severity.ERROR]
    assert {f.verdict for f in found} == {"unknown"}
    conn.execute(migration.encode())


def test_a_constraint_that_was_there_before_the_writes_keeps_them_right(
    notes: Conn, ask: Ask
) -> None:
    (found,) = ask(
        """ALTER TABLE notes ADD CONSTRAINT ck CHECK (id > 0) NOT VALID;
           UPDATE notes SET id = id + 1;
           ALTER TABLE notes VALIDATE CONSTRAINT ck"""
    )
    assert (found.name, found.verdict) == ("validate-check", "pass")


@pytest.mark.parametrize(
    ("setup", "migration", "why"),
    [
        (
            "ALTER TABLE notes ADD CHECK (body IS NOT NULL)",
            "ALTER body SET NOT NULL",
            "valid check",
        ),
        ("", "ALTER id SET NOT NULL", "NOT NULL already"),
        ("", "ADD UNIQUE (body, id)", "unique index notes_pkey"),
        ("DELETE FROM notes; TRUNCATE notes", "ALTER body SET NOT NULL", "empty"),
    ],
)
def test_the_catalog_proves_it_without_a_scan(
    notes: Conn, ask: Ask, setup: str, migration: str, why: str
) -> None:
    notes.execute(setup.encode())
    # Of a unique text the size is asked too.
    found, *_ = ask(f"ALTER TABLE notes {migration}", show_sql=True)
    assert (found.verdict, found.count, found.evidence, found.sql) == (
        "pass",
        None,
        "catalog",
        None,
    )
    assert why in found.message


def test_a_new_table_is_empty_until_it_is_filled(notes: Conn, ask: Ask) -> None:
    made = "CREATE TABLE fresh (id int);\n"
    assert [f.verdict for f in ask(f"{made}ALTER TABLE fresh ALTER id SET NOT NULL")] == ["pass"]
    filled = (
        f"{made}INSERT INTO fresh SELECT id FROM notes;\nALTER TABLE fresh ALTER id SET NOT NULL"
    )
    assert [f.verdict for f in ask(filled)] == ["depends"]
    copied = "CREATE TABLE fresh AS SELECT * FROM notes;\nALTER TABLE fresh ALTER id SET NOT NULL"
    assert [f.verdict for f in ask(copied)] == ["depends"]


@pytest.mark.parametrize(
    "migration",
    [
        """CREATE FUNCTION fits(int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true';
           ALTER TABLE notes ADD CHECK (fits(id))""",
        """ALTER TYPE mood ADD VALUE 'sad'; ALTER TABLE moods ADD CHECK (m <> 'sad')""",
        """CREATE TYPE "Mood" AS ENUM ('a');
           ALTER TABLE notes ALTER body TYPE "Mood"[] USING ARRAY[body]::"Mood"[]""",
    ],
)
def test_what_only_the_migration_makes_cannot_be_asked_yet(
    notes: Conn, ask: Ask, migration: str
) -> None:
    notes.execute("CREATE TYPE mood AS ENUM ('gay'); CREATE TABLE moods (m mood)")
    notes.execute("INSERT INTO moods VALUES ('gay')")
    assert {f.verdict for f in ask(migration)} == {"unknown"}


def test_a_function_that_acts_is_never_called(notes: Conn, ask: Ask) -> None:
    notes.execute("CREATE SEQUENCE s")
    (found,) = ask("ALTER TABLE notes ALTER body TYPE int USING nextval('s')")
    assert found.verdict == "unknown"
    assert "nextval" in found.message
    assert notes.execute("SELECT is_called FROM s").fetchone() == (False,)


def test_what_is_lost_is_counted_and_warned_of(notes: Conn, ask: Ask) -> None:
    found = ask('ALTER TABLE notes DROP "appointmentId"; DROP TABLE notes')
    assert [(f.name, f.count, f.severity, f.keys) for f in found] == [
        ("drop-column-data", 270, "warning", ()),
        ("drop-table-data", 300, "warning", ()),
    ]


def test_text_that_is_cut_silently_is_an_error_and_rounding_a_warning(conn: Conn, ask: Ask) -> None:
    conn.execute("CREATE TABLE t (a text, b numeric); INSERT INTO t VALUES ('abcdef', 1.25)")
    found = ask(
        """ALTER TABLE t ALTER a TYPE varchar(3) USING a::varchar(3);
           ALTER TABLE t ALTER b TYPE numeric(5,1)"""
    )
    assert [(f.name, f.verdict, f.severity) for f in found] == [
        ("type-varchar-shrink-using-cast", "fail", "error"),
        ("type-numeric-precision", "pass", "error"),
        ("type-numeric-scale-rounds", "fail", "warning"),
    ]


def test_an_identity_that_begins_behind_the_largest_is_found(conn: Conn, ask: Ask) -> None:
    conn.execute("CREATE TABLE t (id int NOT NULL); INSERT INTO t VALUES (7)")
    late = "ALTER TABLE t ALTER id ADD GENERATED BY DEFAULT AS IDENTITY"
    assert [f.verdict for f in ask(late)] == ["fail"]
    assert [f.verdict for f in ask(f"{late} (START WITH 8)")] == ["pass"]
    assert ask(f"{late}; SELECT setval('t_id_seq', 9)") == []


@pytest.mark.parametrize(
    ("migration", "name"),
    [
        ("DROP TABLE p", "drop-table-referenced"),
        ("TRUNCATE p", "truncate-referenced"),
        ("ALTER TABLE c DROP COLUMN v", "drop-column-view-dependency"),
        ("ALTER TABLE c ALTER v TYPE bigint", "type-view-dependency"),
        ("ALTER TABLE c ADD FOREIGN KEY (v) REFERENCES p (other)", "fk-target-not-unique"),
        ("ALTER TABLE p INHERIT c", "inherit-missing-column"),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY mv", "refresh-matview-concurrently-no-unique"),
        ("ALTER TABLE c ALTER txt TYPE int", "type-no-assignment-cast"),
    ],
)
def test_what_the_schema_refuses_is_told_without_a_question(
    conn: Conn, ask: Ask, migration: str, name: str
) -> None:
    conn.execute(
        """CREATE TABLE p (id int PRIMARY KEY, other int);
           CREATE TABLE c (p_id int REFERENCES p, v int, txt text);
           CREATE VIEW reader AS SELECT v FROM c; CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a"""
    )
    found = {f.name: f for f in ask(migration)}
    assert (found[name].verdict, found[name].evidence) == ("fail", "catalog")
    with pytest.raises(psycopg.Error), conn.transaction():
        conn.execute(migration.encode())


#: Rows, a migration that fails for them, and the SQLSTATE and the question of it.
FAILING = [
    # A column cuts no value that is assigned to it, as a CAST would.
    (
        "CREATE TABLE t (f text, l text); INSERT INTO t VALUES ('ann', 'lee')",
        "ALTER TABLE t ADD i char(2) GENERATED ALWAYS AS (upper(f || l)) STORED",
        *("22001", "generated-column-expr-error"),
    ),
    (
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1)",
        "ALTER TABLE t ADD x varchar(2) DEFAULT 'abc'",
        *("22001", "type-varchar-shrink"),
    ),
    (
        "CREATE DOMAIN short AS varchar(2); CREATE TABLE t (a int); INSERT INTO t VALUES (1)",
        "ALTER TABLE t ADD x short DEFAULT lower('ABC')",
        *("22001", "type-varchar-shrink"),
    ),
    (
        "CREATE TABLE t (a int)",
        "ALTER TABLE t ADD x bit(3) DEFAULT B'1010'",
        *("22026", "type-varchar-shrink"),
    ),
    (
        "CREATE TABLE t (a text); INSERT INTO t VALUES ('abc')",
        "ALTER TABLE t ADD x varchar(2)[] GENERATED ALWAYS AS (ARRAY[a]) STORED",
        *("22001", "generated-column-expr-error"),
    ),
    # A default partition of a partition.
    (
        """CREATE TABLE p (r text, n int) PARTITION BY LIST (r);
           CREATE TABLE p1 PARTITION OF p FOR VALUES IN ('eu') PARTITION BY LIST (n);
           CREATE TABLE c (r text, n int); INSERT INTO c VALUES ('us', 1)""",
        "ALTER TABLE p1 ATTACH PARTITION c DEFAULT",
        *("23514", "attach-partition-default"),
    ),
    (
        """CREATE TABLE p (id int, r text) PARTITION BY LIST (id);
           CREATE UNIQUE INDEX ON p (id, lower(r)); CREATE TABLE c (id int, r text);
           INSERT INTO c VALUES (1, 'A'), (1, 'a')""",
        "ALTER TABLE p ATTACH PARTITION c FOR VALUES IN (1)",
        *("23505", "add-unique"),
    ),
    (
        """CREATE TABLE p (id int, r text) PARTITION BY LIST (id);
           CREATE UNIQUE INDEX ON p (id) WHERE r = 'a'; CREATE TABLE c (id int, r text);
           INSERT INTO c VALUES (1, 'a'), (1, 'a')""",
        "ALTER TABLE p ATTACH PARTITION c FOR VALUES IN (1)",
        *("23505", "add-unique"),
    ),
    # An heir that has the column already.
    (
        """CREATE TABLE p (a int); CREATE TABLE c (x int) INHERITS (p);
           INSERT INTO c VALUES (1, -1)""",
        "ALTER TABLE p ADD x int DEFAULT 5 CHECK (x > 0)",
        *("23514", "add-column-default-violates-check"),
    ),
    (
        """CREATE TABLE p (a int); CREATE TABLE c (x int) INHERITS (p);
           INSERT INTO c VALUES (1, -1)""",
        "ALTER TABLE p ADD x int DEFAULT 5; ALTER TABLE p ADD CHECK (x > 0)",
        *("23514", "add-check"),
    ),
    (
        "CREATE TABLE p (a int); CREATE TABLE c (x int) INHERITS (p); INSERT INTO c VALUES (1)",
        "ALTER TABLE p ADD x int DEFAULT 5; ALTER TABLE p ALTER x SET NOT NULL",
        *("23502", "set-not-null"),
    ),
    # Numbers that do not suffice, or come again.
    (
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2), (3)",
        "ALTER TABLE t ADD id int GENERATED ALWAYS AS IDENTITY (MAXVALUE 2)",
        *("2200H", "add-column-required-non-empty"),
    ),
    (
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2), (3)",
        "ALTER TABLE t ADD id int GENERATED ALWAYS AS IDENTITY (START 2147483646)",
        *("2200H", "add-column-required-non-empty"),
    ),
    (
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2), (3)",
        "ALTER TABLE t ADD id int GENERATED ALWAYS AS IDENTITY (INCREMENT -1 MINVALUE -2)",
        *("2200H", "add-column-required-non-empty"),
    ),
    (
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2), (3)",
        "ALTER TABLE t ADD id int GENERATED ALWAYS AS IDENTITY (MAXVALUE 2 CYCLE) UNIQUE",
        *("23505", "add-unique"),
    ),
    (
        """CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2), (3);
           CREATE SEQUENCE s MAXVALUE 10; SELECT setval('s', 8)""",
        "ALTER TABLE t ADD id int DEFAULT nextval('s')",
        *("2200H", "add-column-required-non-empty"),
    ),
    (
        """CREATE TABLE t (a int); INSERT INTO t VALUES (1);
           CREATE SEQUENCE s; SELECT setval('s', 40000)""",
        "ALTER TABLE t ADD id smallint DEFAULT nextval('public.s'::regclass)",
        *("22003", "add-column-required-non-empty"),
    ),
    (
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2), (3)",
        "CREATE SEQUENCE s MAXVALUE 2; ALTER TABLE t ADD id int DEFAULT nextval('s')",
        *("2200H", "add-column-required-non-empty"),
    ),
    (
        """CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2), (3);
           CREATE SEQUENCE s MAXVALUE 2 CYCLE""",
        "ALTER TABLE t ADD id int UNIQUE DEFAULT nextval('s')",
        *("23505", "add-column-required-non-empty"),
    ),
    # Operators and functions that look harmless.
    (
        "CREATE TABLE t (a int[]); INSERT INTO t VALUES ('{1}')",
        """ALTER TABLE t ADD x text GENERATED ALWAYS AS
               (CASE WHEN a || '{{{1}}}' = a THEN 'a' ELSE 'b' END) STORED""",
        *("2202E", "generated-column-expr-error"),
    ),
    (
        "CREATE TABLE t (id int, b int[]); INSERT INTO t VALUES (1, '{{1}}')",
        "CREATE INDEX ON t ((id || b))",
        *("22000", "expression-index-error"),
    ),
    (
        r"CREATE TABLE t (a text); INSERT INTO t VALUES ('ab\')",
        "CREATE INDEX ON t (a) WHERE 'abc' LIKE a",
        *("22025", "expression-index-error"),
    ),
    (
        """CREATE SCHEMA s; CREATE TABLE t (a int); INSERT INTO t VALUES (0);
           CREATE FUNCTION s.lower(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1 / $1'""",
        "CREATE INDEX ON t (s.lower(a))",
        *("22012", "expression-index-error"),
    ),
    # Entries of a btree.
    *(
        (
            f"""CREATE DOMAIN d AS text; CREATE TYPE pair AS (a text); {table};
                CREATE FUNCTION long() RETURNS text LANGUAGE sql AS
                    'SELECT string_agg(md5(n::text), '''') FROM generate_series(1, 200) AS n';
                INSERT INTO t VALUES ({value})""",
            f"CREATE INDEX ON t ({keys})",
            *("54000", "index-row-too-large"),
        )
        for table, value, keys in (
            ("CREATE TABLE t (a text)", "long()", "(a || 'x')"),
            ("CREATE TABLE t (a jsonb)", "jsonb_build_object('x', long())", "(a ->> 'x')"),
            ("CREATE TABLE t (a d)", "long()", "a"),
            ("CREATE TABLE t (a pair)", "ROW(long())", "a"),
            (
                "CREATE TABLE t (a bit(25600))",
                "('x' || long() || long() || long() || long())::bit(25600)",
                "a",
            ),
        )
    ),
    (
        """CREATE TABLE t (a varchar(500), b varchar(500), c varchar(500));
           INSERT INTO t SELECT s, s, s FROM (SELECT string_agg(chr(
               19968 + (hashtext(n::text) & 8191)), '') FROM generate_series(1, 500) AS n) AS o (s)
        """,
        "CREATE INDEX ON t (a, b, c)",
        *("54000", "index-row-too-large"),
    ),
    # A new identity.
    (
        "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'a')",
        """ALTER TABLE t ALTER id ADD GENERATED BY DEFAULT AS IDENTITY;
           INSERT INTO t (a) VALUES ('please restart')""",
        *("23505", "identity-behind-max"),
    ),
    (
        "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (-1, 'a')",
        """ALTER TABLE t ALTER id ADD GENERATED BY DEFAULT AS IDENTITY (INCREMENT -1);
           INSERT INTO t (a) VALUES ('b')""",
        *("23505", "identity-behind-max"),
    ),
    (
        "CREATE SEQUENCE other; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)",
        """ALTER TABLE t ALTER id ADD GENERATED BY DEFAULT AS IDENTITY;
           ALTER SEQUENCE other RESTART WITH 5; INSERT INTO t DEFAULT VALUES""",
        *("23505", "identity-behind-max"),
    ),
    # An inserted value becomes another one on its way.
    (
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)",
        "INSERT INTO t VALUES (1.4)",
        *("23505", "insert-seed-conflict"),
    ),
    (
        "CREATE TABLE t (id numeric(5,1) PRIMARY KEY); INSERT INTO t VALUES (1)",
        "INSERT INTO t VALUES (1.04)",
        *("23505", "insert-seed-conflict"),
    ),
    (
        "CREATE TABLE t (id date PRIMARY KEY); INSERT INTO t VALUES ('2020-01-01')",
        "INSERT INTO t VALUES ('2020-01-01 10:00'::timestamp)",
        *("23505", "insert-seed-conflict"),
    ),
    (
        "CREATE TABLE t (id int PRIMARY KEY)",
        "INSERT INTO t VALUES (1), ('1')",
        *("23505", "insert-seed-conflict"),
    ),
    (
        "CREATE TABLE t (id uuid PRIMARY KEY)",
        """INSERT INTO t VALUES ('c6a5b0b0-0000-4000-8000-000000000001'),
               ('{C6A5B0B0-0000-4000-8000-000000000001}')""",
        *("23505", "insert-seed-conflict"),
    ),
    # A domain within another type.
    (
        """CREATE DOMAIN d AS int; CREATE TYPE pair AS (a d); CREATE TABLE t (p pair);
           INSERT INTO t VALUES (ROW(1))""",
        "ALTER DOMAIN d ADD CHECK (VALUE > 0)",
        *("0A000", "domain-add-check"),
    ),
    (
        "CREATE DOMAIN d AS int; CREATE TABLE b (x d); CREATE TABLE t (a b)",
        "ALTER DOMAIN d ADD CHECK (VALUE > 0)",
        *("0A000", "domain-add-check"),
    ),
    (
        "CREATE DOMAIN d AS int; CREATE TABLE t (a d[])",
        "ALTER DOMAIN d SET NOT NULL",
        *("0A000", "domain-set-not-null"),
    ),
    (
        """CREATE DOMAIN d AS int; CREATE TYPE pair AS (a d); CREATE TYPE pairs AS (b pair);
           CREATE TABLE t (p pairs)""",
        "ALTER DOMAIN d ADD CHECK (VALUE > 0)",
        *("0A000", "domain-add-check"),
    ),
]


@pytest.mark.parametrize(("setup", "migration", "state", "name"), FAILING)
def test_what_rows_let_fail_is_never_a_pass(
    conn: Conn, ask: Ask, setup: str, migration: str, state: str, name: str
) -> None:
    conn.execute(setup.encode())
    found = {f.verdict for f in ask(migration) if f.name == name and f.severity == "error"}
    assert found & {"fail", "unknown"}
    with pytest.raises(psycopg.Error) as raised, conn.transaction():
        conn.execute(migration.encode())
    assert raised.value.sqlstate == state


@pytest.mark.parametrize(
    ("since", "setup", "migration", "state", "name"),
    [
        (
            18,
            "CREATE TABLE p (a int); CREATE TABLE c (x int) INHERITS (p); INSERT INTO c VALUES (1)",
            "ALTER TABLE p ADD x int NOT NULL DEFAULT 5",
            *("23502", "set-not-null"),
        ),
        (
            17,
            """CREATE TABLE t (a jsonb); INSERT INTO t VALUES ('{"x": [1]}')""",
            """ALTER TABLE t ADD x text GENERATED ALWAYS AS
                   (json_value(a, '$.x' ERROR ON ERROR)) STORED""",
            *("2203F", "generated-column-expr-error"),
        ),
        (
            18,
            """CREATE TABLE p (id int4range, v daterange, PRIMARY KEY (id, v WITHOUT OVERLAPS))
                   PARTITION BY LIST (id);
               CREATE TABLE c (id int4range NOT NULL, v daterange NOT NULL);
               INSERT INTO c VALUES ('[1,2)', '[2020-01-01,2020-02-01)'),
                   ('[1,2)', '[2020-01-11,2020-02-11)')""",
            "ALTER TABLE p ATTACH PARTITION c FOR VALUES IN ('[1,2)')",
            *("23P01", "add-exclusion"),
        ),
    ],
)
def test_what_newer_servers_refuse_is_never_a_pass(
    conn: Conn, ask: Ask, server_major: int, since: int, setup: str, migration: str, state: str,
    name: str,
) -> None:  # fmt: skip
    if server_major < since:
        pytest.skip(f"needs PostgreSQL {since}")
    test_what_rows_let_fail_is_never_a_pass(conn, ask, setup, migration, state, name)


@pytest.mark.parametrize(
    ("setup", "migration"),
    [
        (
            "CREATE TABLE p (a int); CREATE TABLE c (x int) INHERITS (p);"
            " INSERT INTO c VALUES (1, 2)",
            "ALTER TABLE p ADD x int NOT NULL",
        ),
        (
            "CREATE TABLE t (a int); INSERT INTO t VALUES (1)",
            "ALTER TABLE t ADD x varchar(3) NOT NULL DEFAULT 'abc'",
        ),
        (
            "CREATE TABLE t (a int); INSERT INTO t VALUES (1)",
            "ALTER TABLE t ADD x varchar(36) DEFAULT gen_random_uuid()",
        ),
        (
            "CREATE TABLE t (a int); INSERT INTO t VALUES (1)",
            """ALTER TABLE t ADD x bit(3) DEFAULT B'101', ADD y varchar(2) DEFAULT 'ab  '::text,
                   ADD z varchar(2)[] DEFAULT '{}', ADD v varchar(2) DEFAULT 'abc'::varchar(2)""",
        ),
        (
            "CREATE TABLE t (a int); INSERT INTO t VALUES (1); CREATE SEQUENCE s",
            "ALTER TABLE t ADD x smallint UNIQUE DEFAULT nextval('s')",
        ),
        (
            "CREATE TABLE t (a int); INSERT INTO t VALUES (1)",
            "CREATE SEQUENCE s; ALTER TABLE t ADD x int PRIMARY KEY DEFAULT nextval('s')",
        ),
        (
            """CREATE TABLE p (id int, v int) PARTITION BY LIST (id);
               CREATE TABLE c PARTITION OF p FOR VALUES IN (1); INSERT INTO c VALUES (1), (1)""",
            "CREATE UNIQUE INDEX u ON ONLY p (id)",
        ),
        (
            "CREATE TABLE t (a text); INSERT INTO t VALUES (left((SELECT string_agg(md5(n::text),"
            " '') FROM generate_series(1, 100) AS n), 2690))",
            "CREATE INDEX ON t (a)",
        ),
        (
            "CREATE TYPE pair AS (a int, b int); CREATE TABLE t (a pair);"
            " INSERT INTO t VALUES (ROW(NULL, NULL))",
            "ALTER TABLE t ALTER a SET NOT NULL",
        ),
        (
            """CREATE TYPE pair AS (a int, b int); CREATE DOMAIN d AS pair; CREATE TABLE t (a d);
               INSERT INTO t VALUES (ROW(NULL, NULL))""",
            "ALTER DOMAIN d SET NOT NULL",
        ),
        (
            """CREATE TABLE p (id char(5) PRIMARY KEY); INSERT INTO p VALUES ('ab');
               CREATE TABLE c (id text); INSERT INTO c VALUES ('ab   ')""",
            "ALTER TABLE c ADD FOREIGN KEY (id) REFERENCES p",
        ),
        (
            "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'a')",
            """ALTER TABLE t ALTER id ADD GENERATED BY DEFAULT AS IDENTITY;
               INSERT INTO t VALUES (2, 'b')""",
        ),
        (
            "CREATE TABLE t (id int NOT NULL, a text); INSERT INTO t VALUES (1, 'a')",
            """ALTER TABLE t ALTER id ADD GENERATED BY DEFAULT AS IDENTITY;
               INSERT INTO t (a) VALUES ('b')""",
        ),
    ],
)
def test_what_rows_let_succeed_is_no_error(
    conn: Conn, ask: Ask, setup: str, migration: str
) -> None:
    conn.execute(setup.encode())
    told = [f for f in ask(migration) if f.status is Status.FAILED and f.severity == "error"]
    assert told == []
    conn.execute(migration.encode())


def test_what_a_period_covers_together_is_not_told_by_equality(
    conn: Conn, ask: Ask, server_major: int
) -> None:
    if server_major < 18:
        pytest.skip("needs PostgreSQL 18")
    conn.execute(
        """CREATE TABLE p (id int4range, v daterange, PRIMARY KEY (id, v WITHOUT OVERLAPS));
           CREATE TABLE c (id int4range, v daterange);
           INSERT INTO p VALUES ('[1,2)', '[2020-01-01,2020-02-01)'),
               ('[1,2)', '[2020-02-01,2020-03-01)');
           INSERT INTO c VALUES ('[1,2)', '[2020-01-11,2020-02-11)')"""
    )
    added = "ALTER TABLE c ADD FOREIGN KEY (id, PERIOD v) REFERENCES p (id, PERIOD v)"
    assert {f.verdict for f in ask(added)} == {"unknown"}
    conn.execute(added.encode())


# ---------------------------------------------------------------- what cannot be answered


def test_a_table_that_may_not_be_read_is_unknown(
    conn: Conn, superuser: Conn, database: str
) -> None:
    conn.execute("CREATE TABLE t (id int, v text); INSERT INTO t VALUES (1, 'x')")
    with databases.role(superuser) as role:
        url = target_url(database, role)
        text = "ALTER TABLE t ALTER id SET NOT NULL; ALTER TABLE t ADD UNIQUE (v)"
        found = asked(url, text)
    assert [(f.verdict, f.status, f.severity) for f in found] == [
        ("unknown", "failed", "error")
    ] * 3
    assert "Grant SELECT" in (found[0].remedy or "")


def target_url(database: str, role: str) -> str:
    return re.sub(r"//[^@]*@", f"//{role}@", database)


def test_rows_behind_a_policy_are_unknown_not_absent(
    conn: Conn, superuser: Conn, database: str
) -> None:
    conn.execute(
        """CREATE TABLE t (id int); INSERT INTO t VALUES (NULL);
           ALTER TABLE t ENABLE ROW LEVEL SECURITY; GRANT SELECT ON t TO PUBLIC"""
    )
    with databases.role(superuser) as role:
        (found,) = asked(target_url(database, role), "ALTER TABLE t ALTER id SET NOT NULL")
    assert found.verdict == "unknown"


def test_more_than_the_budget_is_unknown_with_its_size(notes: Conn, ask: Ask) -> None:
    notes.execute(
        "INSERT INTO notes SELECT n, repeat('x', 500) FROM generate_series(1000, 3000) AS n"
    )
    notes.execute("ANALYZE notes")
    text = "ALTER TABLE notes ALTER body SET NOT NULL"
    assert [f.verdict for f in ask(text, budget=10_000_000)] == ["pass"]
    (found,) = ask(text, budget=100_000)
    assert (found.verdict, found.severity) == ("unknown", "error")
    assert re.search(r"it would read 1,\d\d\d kB, more than the budget of 100 kB", found.message)


def test_one_question_that_fails_leaves_the_others_of_its_scan_their_answers(
    conn: Conn, ask: Ask
) -> None:
    conn.execute("CREATE TABLE t (a int, b int); INSERT INTO t VALUES (0, NULL), (1, 2)")
    found = ask(
        """ALTER TABLE t ADD CHECK (1 / a >= 0); ALTER TABLE t ALTER b SET NOT NULL;
           ALTER TABLE t ALTER a SET NOT NULL"""
    )
    assert [(f.verdict, f.count, f.exact) for f in found] == [
        ("fail", 1, False),
        ("fail", 1, True),
        ("pass", 0, True),
    ]
    assert "22012" in found[0].message


# ---------------------------------------------------------------- keys and speed


def test_keys_are_shown_where_they_are_no_data_or_the_config_says_so(conn: Conn, ask: Ask) -> None:
    conn.execute(
        """CREATE TABLE a (email text PRIMARY KEY, v int);
           CREATE TABLE b (x int, y int, v int, PRIMARY KEY (x, y));
           CREATE TABLE c (id uuid PRIMARY KEY, v int); CREATE TABLE d (id int, v int);
           INSERT INTO a VALUES ('me@example.org'); INSERT INTO b VALUES (1, 2);
           INSERT INTO d VALUES (1);
           INSERT INTO c VALUES ('c6a5b0b0-0000-4000-8000-000000000001')"""
    )
    text = ";".join(f"ALTER TABLE {name} ALTER v SET NOT NULL" for name in "abcd")

    def shown(said: Any) -> list[bool]:
        found = ask(text, show_keys=said)
        assert said or "example" not in str(found)
        return [bool(f.keys) for f in found]

    assert shown(None) == [False, False, True, False]
    assert shown(True) == [True, True, True, False]
    assert shown(False) == [False] * 4
    assert shown(("b", "public.a")) == [True, True, False, False]


def test_duplicates_show_the_keys_of_their_rows_and_no_value(conn: Conn, ask: Ask) -> None:
    conn.execute("CREATE TABLE t (id int PRIMARY KEY, email text)")
    conn.execute("INSERT INTO t VALUES (1, 'a@example.org'), (2, 'a@example.org'), (3, 'b')")
    found, _ = ask("CREATE UNIQUE INDEX ON t (email)")
    assert (found.count, [dict(key) for key in found.keys]) == (1, [{"id": 1}, {"id": 2}])
    assert "example.org" not in str(found)


def test_fast_stops_at_the_first_witness_and_says_so(notes: Conn, ask: Ask) -> None:
    text = """ALTER TABLE notes ALTER "appointmentId" SET NOT NULL;
              ALTER TABLE notes ALTER body SET NOT NULL; ALTER TABLE notes ADD CHECK (id > 100);
              ALTER TABLE notes ADD UNIQUE (body)"""
    found = ask(text, fast=True)
    assert [(f.verdict, f.count, f.exact) for f in found] == [
        ("fail", 1, False),
        ("pass", 0, True),
        ("fail", 1, False),
        ("pass", 0, True),
        ("pass", 0, True),
    ]
    assert found[0].message.startswith("at least 1 row")


def test_questions_of_one_table_are_one_scan(
    notes: Conn, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    execute = psycopg.Cursor.execute

    def logged(self: Any, query: Any, *args: Any, **more: Any) -> Any:
        sent.append(query if isinstance(query, str) else query.as_string(self))
        return execute(self, query, *args, **more)

    monkeypatch.setattr(psycopg.Cursor, "execute", logged)
    checks = ";".join(f"ALTER TABLE notes ADD CHECK (length(body) <> {n + 900})" for n in range(8))
    found = ask(f"ALTER TABLE notes ALTER body SET NOT NULL; {checks}")
    assert [f.verdict for f in found] == ["pass"] * 9
    scans = [query for query in sent if '"notes"' in query and not query.startswith("EXPLAIN")]
    assert len(scans) == 1


def test_an_index_is_used_where_that_is_cheaper_than_a_common_scan(notes: Conn, ask: Ask) -> None:
    notes.execute(
        """INSERT INTO notes SELECT n, 'x', 1 FROM generate_series(1000, 20000) AS n;
           CREATE INDEX ON notes (body); CREATE INDEX ON notes ("appointmentId")"""
    )
    notes.execute("ANALYZE notes")
    text = """ALTER TABLE notes ALTER body SET NOT NULL;
              ALTER TABLE notes ALTER "appointmentId" SET NOT NULL"""
    assert [f.verdict for f in ask(text, budget=400_000)] == ["pass", "fail"]


# ---------------------------------------------------------------- no trace, and a standby


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Cluster, Cluster]]:
    with cluster.replicated() as both:
        yield both


#: What an audit may send: questions, and settings of its own session.
_HARMLESS = re.compile(
    r"\s*(SELECT|WITH|EXPLAIN \(VERBOSE, FORMAT JSON\) SELECT|SHOW|BEGIN|COMMIT|ROLLBACK|SAVEPOINT"
    r"|RELEASE|SET (LOCAL |TRANSACTION )?)",
    re.IGNORECASE,
)


TABLES = """CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int PRIMARY KEY, p_id int, v text);
"""

MIGRATION = """ALTER TABLE c ADD FOREIGN KEY (p_id) REFERENCES p;
CREATE UNIQUE INDEX ON c (lower(v)) WHERE id > 0;
ALTER TABLE c ALTER v TYPE int USING v::int;
ALTER TABLE c ADD CHECK (id < 55);
"""


@pytest.fixture
def pending(pair: tuple[Cluster, Cluster], migsafe: Callable[..., Called], workdir: Path) -> str:
    """URL of the primary, where one migration is applied and `MIGRATION` is pending."""
    primary, _ = pair
    (workdir / "m").mkdir()
    (workdir / "m" / "V0__tables.sql").write_text(TABLES)
    with psycopg.connect(primary.url, autocommit=True) as conn:
        conn.execute("DROP SCHEMA public CASCADE")
        conn.execute("DROP SCHEMA IF EXISTS migsafe CASCADE")
        conn.execute("CREATE SCHEMA public")
        conn.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
        called = migsafe("apply", "--url", primary.url, "--migrations", "m", "--yes")
        assert called.code == 0, called.out
        conn.execute("INSERT INTO p SELECT generate_series(1, 50)")
        conn.execute("INSERT INTO c SELECT n, n, n::text FROM generate_series(1, 60) AS n")
    (workdir / "m" / "V1__constrain.sql").write_text(MIGRATION)
    return primary.url


ANSWERS = [
    ("add-fk", "fail", 10),
    ("create-unique-index-partial-expr", "pass", 0),
    ("index-row-too-large", "pass", 0),
    ("type-text-to-int", "pass", 0),
    ("type-change-unique", "unknown", None),
    ("add-check", "fail", 6),
]


def test_audits_leave_no_trace(
    pair: tuple[Cluster, Cluster], migsafe: Callable[..., Called], pending: str
) -> None:
    """A role that may only read is enough; every statement sent is a question."""
    primary, _ = pair
    with psycopg.connect(primary.url, autocommit=True) as admin:
        admin.execute("CREATE ROLE reader LOGIN PASSWORD 'of-a-test' IN ROLE pg_read_all_data")
    url = pending.replace("//admin:", "//reader:")
    before, log = _written(primary), (primary.data / "log").stat().st_size
    called = migsafe("audit", "--url", url, "--migrations", "m", "--format", "json")
    answers = [(f.name, f.verdict, f.count) for f in called.report.findings]
    text = (primary.data / "log").read_text("utf-8")[log:]
    sent = re.findall(r"LOG:  (?:statement|execute <unnamed>): (.*)", text)
    assert (called.code, answers) == (1, ANSWERS), called.out
    assert len(sent) > 20
    assert [statement for statement in sent if not _HARMLESS.match(statement)] == []
    assert _written(primary) == before


def _written(primary: Cluster) -> tuple[Any, ...]:
    """Return what the statistics say of rows that were written."""
    with psycopg.connect(primary.url, autocommit=True) as conn:
        conn.execute("SELECT pg_stat_force_next_flush()")
        time.sleep(1.2)  # other sessions flush theirs within a second
        row = conn.execute(
            """SELECT tup_inserted, tup_updated, tup_deleted, temp_files
               FROM pg_stat_database WHERE datname = current_database()"""
        ).fetchone()
        assert row is not None
        return tuple(row)


def test_a_standby_answers_once_it_has_caught_up(
    pair: tuple[Cluster, Cluster], migsafe: Callable[..., Called], pending: str
) -> None:
    primary, follower = pair
    log = (primary.data / "log").stat().st_size
    call = ("--url", pending, "--migrations", "m", "--format", "json")
    called = migsafe("audit", *call, "--replica", follower.url)
    answers = [(f.name, f.verdict, f.count) for f in called.report.findings]
    assert answers == ANSWERS, called.out
    assert "NOT EXISTS (SELECT FROM" not in (primary.data / "log").read_text("utf-8")[log:]
    assert "of-a-test" not in called.out + called.err


def test_a_standby_that_lags_or_is_none_is_refused(
    pair: tuple[Cluster, Cluster],
    migsafe: Callable[..., Called],
    pending: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    primary, follower = pair
    monkeypatch.setattr("migsafe.pipeline.asking.PATIENCE", 0.5)
    call = ("audit", "--url", pending, "--migrations", "m", "--replica")
    refused = migsafe(*call, primary.url)
    assert (refused.code, "is no standby" in refused.err) == (2, True)
    with psycopg.connect(follower.url, autocommit=True) as conn:
        conn.execute("SELECT pg_wal_replay_pause()")
    try:
        with psycopg.connect(primary.url, autocommit=True) as conn:
            conn.execute("INSERT INTO p VALUES (99)")
        lagging = migsafe(*call, follower.url)
        assert (lagging.code, "bytes of WAL behind" in lagging.err) == (3, True)
    finally:
        with psycopg.connect(follower.url, autocommit=True) as conn:
            conn.execute("SELECT pg_wal_replay_resume()")


def test_a_standby_of_another_primary_is_refused(
    pair: tuple[Cluster, Cluster], migsafe: Callable[..., Called], database: str, workdir: Path
) -> None:
    (workdir / "audits").mkdir()
    (workdir / "audits" / "a.sql").write_text("SELECT 1 WHERE false;")
    called = migsafe("audit", "--url", database, "--replica", pair[1].url)
    assert (called.code, "is no standby of" in called.err) == (2, True)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE notes ADD COLUMN x outer_one",
        'ALTER TABLE notes ALTER "appointmentId" TYPE outer_one',
    ],
)
def test_a_domain_without_rules_demands_what_the_one_below_it_does(
    notes: Conn, ask: Ask, statement: str
) -> None:
    notes.execute("CREATE DOMAIN inner_one AS int NOT NULL CHECK (VALUE > 1000000)")
    notes.execute("CREATE DOMAIN outer_one AS inner_one")
    assert {finding.status for finding in ask(statement)} == {Status.FAILED}
    with pytest.raises((psycopg.errors.NotNullViolation, psycopg.errors.CheckViolation)):
        notes.execute(statement.encode())
