"""A step's transaction begins with the COMMIT before it, and is as good as one of its own."""

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

Conn = psycopg.Connection[Any]


def steps_of(folder: Path, *texts: str) -> list[planning.Step]:
    """Return the steps of plain files, numbered from 1."""
    folder.mkdir()
    for number, text in enumerate(texts, start=1):
        (folder / f"{number}_m.sql").write_text(text, "utf-8")
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


def run(database: str, folder: Path, *texts: str) -> list[StepResult]:
    """Run plain files as apply would; the session must be idle afterwards."""
    steps = steps_of(folder, *texts)
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
