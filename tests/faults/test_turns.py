"""Others hold the lock, or it is lost, or who held it is killed: no migration runs twice."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from migsafe import deployers, ledger
from migsafe.errors import ExitCode
from tests.cli import databases
from tests.contract.kinds import KINDS, Kind, Sample
from tests.faults import judge
from tests.faults.stages import LOG, Stage, line


@pytest.fixture(scope="module")
def database(server: str) -> Iterator[str]:
    with databases.lasting(server) as url:
        yield url


@pytest.fixture
def stage(database: str, tmp_path: Path) -> Iterator[Stage]:
    databases.empty(database)
    with psycopg.connect(database, autocommit=True) as conn:
        yield Stage(folder=tmp_path, database=database, conn=conn)


LOCKING = [kind for kind in KINDS if type(kind).locks is not Kind.locks]


@pytest.mark.parametrize("kind", LOCKING, ids=lambda kind: kind.id)
def test_a_tool_that_holds_its_own_key_is_named_by_its_process_and_waited_for(
    kind: Kind, stage: Stage
) -> None:
    folder = stage.folder / "migrations"
    folder.mkdir()
    kind.install(stage.conn)
    kind.write(folder, Sample(1, "people", "CREATE TABLE people (id int);"))
    with psycopg.connect(stage.database, autocommit=True) as tool:
        holder = f"(server process {tool.info.backend_pid})"
        tool.execute("SELECT pg_advisory_lock(%s)", [kind.locks(stage.conn)[0]])
        refused = stage.apply()
        waiting = stage.begin("waiting", "--lock-wait", "60s")
        stage.await_rival()
    waited = waiting.wait(60)

    assert refused.code == ExitCode.BUSY
    assert holder in refused.err
    assert waited.code == ExitCode.OK, waited
    assert len(kind.rows(stage.conn)) == 1


def test_a_wait_that_is_over_names_who_holds_the_lock(stage: Stage) -> None:
    stage.write(one=LOG)
    stage.conn.execute("SELECT pg_advisory_lock(%s)", [ledger.LOCK])

    ended = stage.apply("--lock-wait", "1s")

    stage.conn.execute("SELECT pg_advisory_unlock_all()")
    assert ended.code == ExitCode.BUSY
    assert f"(server process {stage.conn.info.backend_pid})" in ended.err
    assert judge.photograph(stage.conn) == ()


# ---------------------------------------------------------------- a lock that is lost


def end_keeper(stage: Stage) -> None:
    """End the session that holds our lock, as an administrator does."""
    ended = stage.conn.execute(
        """SELECT pg_terminate_backend(pid, 5000) FROM pg_locks
           WHERE locktype = 'advisory' AND (classid::bigint << 32 | objid::bigint) = %s
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())""",
        [ledger.LOCK],
    ).fetchall()
    assert ended == [(True,)]


def test_a_migration_is_not_committed_once_the_lock_is_lost(stage: Stage) -> None:
    stage.write(
        one=LOG + line("one"),
        two=line("two") + "SELECT pg_sleep(0.7);",
        three=line("three"),
    )
    process = stage.begin("first")
    stage.await_sleep()
    end_keeper(stage)

    ended = process.wait(60)

    assert ended.code == ExitCode.BUSY, ended
    stage.check("one")
    assert stage.apply().code == ExitCode.OK
    stage.check("one", "two", "three")


def test_a_migration_outside_a_transaction_is_ended_before_a_run_without_lock_stops(
    stage: Stage,
) -> None:
    slow = "DO $$BEGIN PERFORM pg_sleep(1.5); END$$;\n"
    stage.write(
        one=LOG + line("one"),
        two=f"VACUUM log;\n{slow}{line('two')}",
        three=line("three"),
    )
    process = stage.begin("first")
    stage.await_sleep()
    end_keeper(stage)

    ended = process.wait(60)

    assert ended.code == ExitCode.BUSY, ended
    stage.check("one", "two")
    assert stage.apply().code == ExitCode.OK
    stage.check("one", "two", "three")


def test_who_takes_a_lost_lock_waits_for_the_session_that_still_executes(stage: Stage) -> None:
    stage.write(
        one=LOG + line("one"),
        two=line("two") + "SELECT pg_sleep(2);",
        three=line("three"),
    )
    process = stage.begin("first")
    stage.await_sleep()
    rival = stage.begin("second", "--lock-wait", "60s")
    stage.await_rival()
    end_keeper(stage)

    first, second = process.wait(60), rival.wait(60)

    assert (first.code, second.code) == (ExitCode.BUSY, ExitCode.OK), (first, second)
    stage.check("one", "two", "three")


def test_a_file_that_ends_its_sessions_locks_is_not_committed_beside_another_run(
    stage: Stage,
) -> None:
    unlocking = "SELECT pg_advisory_unlock_all();\nSELECT pg_sleep(2);\n"
    stage.write(one=LOG + line("one"), two=line("two") + unlocking)
    process = stage.begin("first")
    first = stage.await_sleep()
    rival = stage.begin("second", "--lock-wait", "60s")
    stage.await_rival()
    end_keeper(stage)
    stage.await_sleep(beside=first)

    ended = process.wait(60), rival.wait(60)

    assert [one.code for one in ended] == [ExitCode.BUSY, ExitCode.OK], ended
    stage.check("one", "two")


# ---------------------------------------------------------------- an orphan

#: A server that does not look after its clients: the backend of a killed run goes on.
_BLIND = """\
SELECT set_config(name, '0', false) FROM pg_settings
WHERE name = 'client_connection_check_interval';
"""


@pytest.mark.parametrize("more", [(), ("--lock-wait", "60s")], ids=["without", "with --lock-wait"])
def test_the_next_run_waits_for_the_orphan_of_a_killed_one(
    stage: Stage, more: tuple[str, ...]
) -> None:
    stage.write(one=LOG + line("one"), two=_BLIND + line("two") + "SELECT pg_sleep(3);")
    killed = stage.begin("first")
    orphan = stage.await_sleep()
    killed.kill()
    killed.wait(60)
    stage.write(one=LOG + line("one"), two=_BLIND + line("two"), three=line("three"))
    assert stage.await_sleep() == orphan

    ended = stage.apply(*more)

    assert ended.code == ExitCode.OK, ended
    stage.check("one", "two", "three")


def test_an_orphan_that_does_not_end_is_named_and_nothing_is_done(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployers, "_ORPHAN", 0.5)
    stage.write(one=LOG + line("one"), two=_BLIND + line("two") + "SELECT pg_sleep(60);")
    killed = stage.begin("first")
    orphan = stage.await_sleep()
    killed.kill()
    killed.wait(60)

    ended = stage.apply()

    assert ended.code == ExitCode.BUSY, ended
    assert f"(server process {orphan})" in ended.err
    stage.check("one")


_INVALID = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"


def test_what_an_orphan_commits_by_itself_is_not_done_again(stage: Stage, server: str) -> None:
    stage.write(
        one=LOG
        + "CREATE FUNCTION slowly(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE\n"
        + "    AS $$BEGIN PERFORM pg_sleep(1.5); RETURN id; END$$;\n"
        + line("one"),
        two=f"{_BLIND}{line('two')}CREATE INDEX CONCURRENTLY log_slowly ON log (slowly(id));\n",
        three=line("three"),
    )
    killed = stage.begin("first")
    stage.await_sleep()
    killed.kill()
    killed.wait(60)

    recovery = stage.person(shadow=server).recover()

    assert recovery.calls[0][1] == ExitCode.DIRTY, str(recovery)
    assert recovery.calls[-1][1] == ExitCode.OK, str(recovery)
    stage.check("one", "two", "three")
    assert stage.conn.execute(_INVALID).fetchone() == (0,)
