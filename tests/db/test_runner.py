"""A step's transaction begins with the COMMIT before it, and is as good as one of its own."""

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from migsafe import deployers, histories, ledger, planning, sql, target
from migsafe.config import HistoryConfig
from migsafe.ledger import Receipt
from migsafe.outcomes import Outcome, StepResult
from migsafe.runner import Limits, Runner, concurrently
from tests import roles

Conn = psycopg.Connection[Any]


def steps_of(folder: Path, *texts: str, name: str = "m") -> list[planning.Step]:
    """Return the steps of plain files, numbered from 1."""
    folder.mkdir()
    for number, text in enumerate(texts, start=1):
        (folder / f"{number}_{name}.sql").write_text(text, "utf-8")
    directory = histories.load(folder, HistoryConfig())
    return [planning.step(migration) for migration in directory.migrations]


@contextmanager
def running(database: str, folder: Path, attempts: int = 2) -> Iterator[Runner]:
    """Yield a runner on a session of its own."""
    where = target.parse(database)
    with target.connect(where) as session:
        history = histories.attach(histories.load(folder, HistoryConfig()), session, where)
        assert isinstance(history, histories.Written)
        limits = Limits(lock_timeout="100ms", attempts=attempts)
        with deployers.turn(where, session, [ledger.LOCK]) as turn:
            yield Runner(turn=turn, history=history, run_id="run", limits=limits)


def run(database: str, folder: Path, *texts: str, name: str = "m") -> list[StepResult]:
    """Run plain files as apply would; the session must be idle afterwards."""
    steps = steps_of(folder, *texts, name=name)
    with running(database, folder) as runner:
        results = list(runner.run(steps))
        assert status(runner.conn) is TransactionStatus.IDLE
    return results


def status(session: Conn) -> TransactionStatus:
    return session.info.transaction_status


def tables(conn: Conn) -> list[str]:
    rows = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return [str(name) for (name,) in rows]


def receipts(conn: Conn) -> list[tuple[str, str]]:
    return conn.execute("SELECT migration, event FROM migsafe.receipts ORDER BY id").fetchall()


def test_each_step_has_a_transaction_of_its_own(database: str, conn: Conn, workdir: Path) -> None:
    note = "CREATE TABLE IF NOT EXISTS seen (id xid8, at timestamptz);"
    note += "INSERT INTO seen VALUES (pg_current_xact_id(), now());"
    results = run(database, workdir / "m", note, note, note)
    assert [r.outcome for r in results] == [Outcome.DONE] * 3
    distinct = "SELECT count(DISTINCT id), count(DISTINCT at) FROM seen"
    assert conn.execute(distinct).fetchone() == (3, 3)
    own = """SELECT count(DISTINCT r.xmin::text)
             FROM migsafe.receipts AS r
             JOIN migsafe.migrations AS m ON m.name = r.migration AND m.xmin = r.xmin
             JOIN seen AS s ON s.xmin = r.xmin"""
    assert conn.execute(own).fetchone() == (3,)


def test_what_only_the_commit_refuses_is_the_failure_of_its_own_step(
    database: str, conn: Conn, workdir: Path
) -> None:
    one = "CREATE TABLE one (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);"
    two = "CREATE TABLE two (); INSERT INTO one VALUES (1), (1);"
    results = run(database, workdir / "m", one, two, "CREATE TABLE three ();")
    assert [r.outcome for r in results] == [Outcome.DONE, Outcome.FAILED, Outcome.SKIPPED]
    assert results[1].statement is None
    assert "23505" in str(results[1].error)
    assert tables(conn) == ["one"]
    assert receipts(conn) == [("1_m", "done")]


def test_a_step_that_queues_for_a_lock_is_tried_again_wherever_it_stands(
    database: str, conn: Conn, workdir: Path
) -> None:
    with psycopg.connect(database) as other:
        conn.execute("CREATE TABLE held ()")
        other.execute("LOCK TABLE held")
        results = run(database, workdir / "m", "CREATE TABLE one ();", "DROP TABLE held;")
    assert [(r.outcome, r.attempts) for r in results] == [(Outcome.DONE, 1), (Outcome.BUSY, 2)]


def test_the_limit_on_locks_holds_in_every_step(database: str, conn: Conn, workdir: Path) -> None:
    note = "CREATE TABLE IF NOT EXISTS seen (it text);"
    note += "INSERT INTO seen VALUES (current_setting('lock_timeout'));"
    run(database, workdir / "m", f"{note} SET lock_timeout = '1h';", note)
    assert conn.execute("SELECT it FROM seen").fetchall() == [("100ms",), ("100ms",)]


def test_a_step_outside_a_transaction_may_follow_and_precede_one_inside(
    database: str, conn: Conn, workdir: Path
) -> None:
    index = "CREATE INDEX CONCURRENTLY one_id ON one (id);"
    results = run(
        database, workdir / "m", "CREATE TABLE one (id int);", index, "CREATE TABLE two ();"
    )
    assert [r.outcome for r in results] == [Outcome.DONE] * 3
    assert tables(conn) == ["one", "two"]


def test_a_caller_that_stops_leaves_no_transaction_open(
    database: str, conn: Conn, workdir: Path
) -> None:
    steps = steps_of(workdir / "m", "CREATE TABLE one ();", "CREATE TABLE two ();")
    with running(database, workdir / "m") as runner:
        with closing(runner.run(steps)) as results:  # type: ignore[type-var]
            assert next(results).outcome is Outcome.DONE
            assert status(runner.conn) is TransactionStatus.INTRANS
        assert status(runner.conn) is TransactionStatus.IDLE
    assert tables(conn) == ["one"]


RECEIPT = ledger.write(Receipt(run="run", history="h", migration="1_m", checksum="c", event="done"))


def test_what_fails_after_a_commit_does_not_call_it_failed(database: str, conn: Conn) -> None:
    with target.connect(target.parse(database)) as session:
        ledger.prepare(session)
        session.execute("BEGIN")
        assert not target.commit(session, RECEIPT, then="BEGIN; SELECT 1 / 0")
        session.execute("ROLLBACK")
        session.execute("BEGIN")
        assert target.commit(session, RECEIPT, then="BEGIN")
        assert status(session) is TransactionStatus.INTRANS
    assert receipts(conn) == [("1_m", "done")] * 2


def test_nothing_follows_a_commit_that_failed(database: str, conn: Conn) -> None:
    conn.execute("CREATE TABLE one (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    with target.connect(target.parse(database)) as session:
        ledger.prepare(session)
        session.execute("BEGIN")
        session.execute("INSERT INTO one VALUES (1), (1)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            target.commit(session, RECEIPT, then="CREATE TABLE two ()")
        assert status(session) is TransactionStatus.IDLE
    assert tables(conn) == ["one"]
    assert receipts(conn) == []


def test_an_invalid_index_of_another_schema_stays(database: str, conn: Conn) -> None:
    for schema in ("one", "two"):
        conn.execute(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.t (a int)".encode())
        conn.execute(f"INSERT INTO {schema}.t VALUES (1), (1)".encode())
        with pytest.raises(psycopg.errors.UniqueViolation):
            conn.execute(f"CREATE UNIQUE INDEX CONCURRENTLY once ON {schema}.t (a)".encode())
    left = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1"
    with target.connect(target.parse(database)) as session:
        (statement,) = sql.parse("CREATE UNIQUE INDEX CONCURRENTLY once ON t (a)")
        concurrently.replace(session, statement, ["two"])
        assert conn.execute(left).fetchall() == [("one.once",)]
        (statement,) = sql.parse("CREATE UNIQUE INDEX CONCURRENTLY once ON two.t (a)")
        concurrently.replace(session, statement)
        assert conn.execute(left).fetchall() == [("one.once",)]
        (statement,) = sql.parse("CREATE UNIQUE INDEX CONCURRENTLY once ON one.t (a)")
        concurrently.replace(session, statement)
        assert conn.execute(left).fetchall() == []


# ---------------------------------------------------------------- what a file makes of its session


@pytest.fixture
def app(database: str, conn: Conn) -> Iterator[str]:
    """Name of a role that has the schema s, and no right on anything of ours."""
    name = f"app_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(roles.superusers(database), autocommit=True) as admin:
        admin.execute(f'CREATE ROLE {name}; GRANT {name} TO "{conn.info.user}"'.encode())
        admin.execute(f"CREATE SCHEMA s AUTHORIZATION {name}".encode())
        yield name
        admin.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}".encode())


@pytest.mark.parametrize(
    "texts",
    [
        (
            "SET ROLE app; CREATE TABLE s.x (i int);",
            "SET ROLE app; CREATE INDEX CONCURRENTLY xi ON s.x (i); RESET ROLE;",
        ),
        ("VACUUM pg_class; SET ROLE app; CREATE TABLE s.x (i int);",),
        ("BEGIN; SET LOCAL ROLE app; CREATE TABLE s.x (); COMMIT; CREATE TABLE two ();",),
        ("SET ROLE app;", "CREATE TABLE s.x (); VACUUM s.x;"),
        ("SET ROLE app; CREATE TABLE s.x ();", "SELECT 1;"),
    ],
)
def test_a_file_may_be_another_role(
    database: str, conn: Conn, workdir: Path, app: str, texts: tuple[str, ...]
) -> None:
    results = run(database, workdir / "m", *(text.replace("app", app) for text in texts))
    assert [(r.outcome, r.error) for r in results] == [(Outcome.DONE, None)] * len(texts)
    owner = "SELECT relowner::regrole::text FROM pg_class WHERE oid = 's.x'::regclass"
    assert conn.execute(owner.encode()).fetchone() == (app,)


def test_a_role_that_a_failed_file_has_left_does_not_keep_its_start_from_being_taken_back(
    database: str, conn: Conn, workdir: Path, app: str
) -> None:
    results = run(
        database, workdir / "m", f"SET ROLE {app};", "CREATE INDEX CONCURRENTLY i ON s.nowhere (i);"
    )
    assert [r.outcome for r in results] == [Outcome.DONE, Outcome.FAILED]
    assert receipts(conn)[-2:] == [("2_m", "began"), ("2_m", "failed")]


def test_what_a_file_sets_outlives_our_receipts(
    database: str, conn: Conn, workdir: Path, app: str
) -> None:
    seen = "SELECT current_user::text, current_setting('statement_timeout')"
    chosen = f"VACUUM pg_class; SET ROLE {app}; SET statement_timeout = '7s';"
    assert (
        run(database, workdir / "m", f"{chosen} CREATE TABLE s.x AS {seen};")[0].outcome
        is Outcome.DONE
    )
    assert conn.execute("SELECT * FROM s.x").fetchone() == (app, "7s")


ON, OFF = (f"SET default_transaction_read_only = {value};" for value in ("on", "off"))
PARTS = "CREATE TABLE x (i int) PARTITION BY RANGE (i); CREATE INDEX xi ON x (i);"
P = "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$BEGIN CREATE TABLE x (i int); COMMIT; {} END$$;"


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE x (); BEGIN READ ONLY; SELECT 1; COMMIT; CREATE TABLE y ();",
        "BEGIN; SET TRANSACTION READ ONLY; SELECT 1; COMMIT; CREATE TABLE x ();",
        f"VACUUM pg_class; CREATE TABLE x (); {ON} SELECT 1; {OFF}",
        f"CREATE TABLE x (); VACUUM x; {ON}",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; CREATE TABLE x ();",
        "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; CREATE TABLE x (); COMMIT; SELECT 1;",
        f"VACUUM pg_class; {P.format('')} CALL p();",
        f"VACUUM pg_class; {P.format('')} DO $$BEGIN CALL p(); END$$;",
        f"{PARTS} VACUUM x; REINDEX INDEX xi;",
        f"{PARTS} VACUUM x; CLUSTER x USING xi;",
    ],
)
def test_what_psql_runs_is_run(database: str, conn: Conn, workdir: Path, text: str) -> None:
    needed = 150000 if "CLUSTER" in text else 140000 if OFF in text else 0
    if conn.info.server_version < needed:
        pytest.skip("clusters no partitioned table, or does not say what a transaction would be")
    (result,) = run(database, workdir / "m", text)
    assert (result.outcome, result.error) == (Outcome.DONE, None)
    assert "x" in tables(conn)
    assert receipts(conn)[-1] == ("1_m", "done")


def test_a_procedure_that_fails_after_its_commit_is_not_called_clean(
    database: str, conn: Conn, workdir: Path
) -> None:
    conn.execute(P.format("PERFORM 1 / 0;").encode())
    (result,) = run(database, workdir / "m", "CALL p(); VACUUM pg_class;")
    assert (result.outcome, result.statement) == (Outcome.DIRTY, 1)
    assert tables(conn) == ["x"]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_TW"])
@pytest.mark.parametrize("alone", ["", "VACUUM pg_class;"], ids=["in a transaction", "alone"])
@pytest.mark.parametrize("strings", ["on", "off"])
def test_names_are_recorded_in_whatever_encoding_a_file_leaves(
    database: str, conn: Conn, workdir: Path, encoding: str, alone: str, strings: str
) -> None:
    first = f"{alone} SET standard_conforming_strings = {strings};"
    first += f"SET client_encoding = '{encoding}'; CREATE TABLE one ();"
    texts = (first, f"{alone} CREATE TABLE two AS SELECT 'é€'::text AS it;")
    results = run(database, workdir / "m", *texts, name="é€'\\")
    assert [(r.outcome, r.error) for r in results] == [(Outcome.DONE, None)] * 2
    assert conn.execute("SELECT it FROM two").fetchone() == ("é€",)
    for table in ("migrations", "receipts WHERE event = 'done'"):
        column = "name" if table == "migrations" else "migration"
        names = conn.execute(f"SELECT {column} FROM migsafe.{table} ORDER BY 1".encode()).fetchall()
        assert names == [("1_é€'\\",), ("2_é€'\\",)]


def test_an_encoding_that_a_failed_file_leaves_hides_nothing(
    database: str, conn: Conn, workdir: Path
) -> None:
    text = "CREATE TABLE x (i int); SET client_encoding = 'EUC_TW'; VACUUM nowhere;"
    (result,) = run(database, workdir / "m", text, name="é€")
    assert (result.outcome, result.statement) == (Outcome.DIRTY, 3)
    assert [event for _, event in receipts(conn)] == ["began", "statement", "statement"]


def test_a_name_is_quoted_in_ascii(conn: Conn) -> None:
    name = 'é"%\\😀'
    assert target.named(name).as_string().isascii()
    conn.execute(psycopg.sql.SQL("CREATE TABLE {} ()").format(target.named(name)), [])
    assert tables(conn) == [name]


@pytest.mark.parametrize("blank", ["\u00a0", "\u3000", "\u0085", "\u2028"])
def test_a_blank_of_unicode_is_part_of_a_name(
    database: str, conn: Conn, workdir: Path, blank: str
) -> None:
    made = f'CREATE TABLE users (); CREATE TABLE "users{blank}" ();'
    results = run(database, workdir / "m", made, f"DROP TABLE users{blank};")
    assert [r.outcome for r in results] == [Outcome.DONE] * 2
    assert tables(conn) == ["users"]


@pytest.mark.parametrize(
    "reset", ["RESET search_path", "RESET ALL", "DISCARD ALL", "SET search_path TO DEFAULT"]
)
def test_a_reset_does_not_lead_later_files_out_of_the_schema_of_the_url(
    database: str, conn: Conn, workdir: Path, reset: str
) -> None:
    conn.execute("CREATE SCHEMA app")
    texts = ("CREATE TABLE one ();", f"{reset};", "CREATE TABLE two ();", "CREATE TABLE three ();")
    results = run(f"{database}&schema=app", workdir / "m", *texts)
    assert [(r.outcome, r.error) for r in results] == [(Outcome.DONE, None)] * 4
    assert tables(conn) == []
    made = "SELECT count(*) FROM pg_tables WHERE schemaname = 'app'"
    assert conn.execute(made.encode()).fetchone() == (3,)
