"""Behind a pooler that shares backends nothing is done, and behind another one all of it works."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from migsafe.errors import ExitCode
from tests.cli import databases
from tests.faults import bouncing, judge, pooled, processes
from tests.faults.bouncing import Pool
from tests.faults.pooled import CELL, COMMANDS, MODES, Campaign
from tests.faults.recovery import Person
from tests.faults.swapping import Habits

needs_pgbouncer = pytest.mark.skipif(
    not bouncing.PROGRAM, reason="no pgbouncer in PATH, /usr/sbin or MIGSAFE_PGBOUNCER"
)

#: In session mode: the session of a run, the one that holds its locks, and one to ask beside it.
ROOM = 3


@pytest.fixture(scope="module")
def lasting(server: str) -> Iterator[str]:
    with databases.lasting(server) as url:
        yield url


@pytest.fixture
def campaign(server: str, lasting: str, tmp_path: Path) -> Campaign:
    databases.empty(lasting)
    CELL.lay_out(tmp_path / "migrations")
    return Campaign(folder=tmp_path, server=server, database=lasting)


@pytest.mark.parametrize("relays", [False, True], ids=["invented process", "true process"])
@pytest.mark.parametrize("mode", MODES)
def test_every_command_refuses_a_pooler_that_swaps_backends_before_it_sets_anything(
    mode: str, relays: bool, campaign: Campaign
) -> None:
    campaign.refuse(pooled.habits(mode, relays=relays))

    assert campaign.wrong == []
    assert campaign.codes == {ExitCode.USAGE: 18 * len(COMMANDS)}


@needs_pgbouncer
@pytest.mark.parametrize("mode", MODES)
def test_every_command_refuses_pgbouncer_where_it_shares_backends(
    mode: str, campaign: Campaign
) -> None:
    campaign.refuse(pooled.pools(mode))

    assert campaign.wrong == []
    assert campaign.codes == {ExitCode.USAGE: 12 * len(COMMANDS)}


def check_a_release(person: Person, database: str) -> None:
    """Hold a release behind a pooler, and what it leaves, against one that needs no pooler."""
    for command in (("apply", "--gate", "never"), ("verify",), ("status",), ("audit",), ("plan",)):
        ended = person.call(*command)
        assert ended.code == ExitCode.OK, (command, ended)

    with psycopg.connect(database) as conn:
        now, locks = judge.photograph(conn), conn.execute(_LOCKS).fetchone()
        assert judge.accounts(conn, CELL.kind).wrong(list(CELL.migrations)) == []
    databases.empty(database)
    with psycopg.connect(database, autocommit=True) as conn:
        assert now == judge.stages(conn, CELL)[-1]
    assert locks == (0,)


_LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"


@pytest.mark.parametrize("relays", [False, True], ids=["invented process", "true process"])
def test_a_release_goes_through_a_pooler_that_gives_each_session_a_backend(
    relays: bool, campaign: Campaign
) -> None:
    habits = Habits(mode="session", size=ROOM, relays=relays)
    with pooled.running(habits, campaign.database) as (url, _):
        check_a_release(campaign.person(url), campaign.database)


@needs_pgbouncer
@pytest.mark.parametrize("round_robin", [False, True])
def test_a_release_goes_through_pgbouncer_in_session_mode(
    round_robin: bool, campaign: Campaign
) -> None:
    pool = Pool(mode="session", size=ROOM, round_robin=round_robin)
    with pooled.running(pool, campaign.database) as (url, _):
        check_a_release(campaign.person(url), campaign.database)


@pytest.mark.parametrize("size", range(1, ROOM))
def test_a_pool_without_room_for_our_sessions_is_named_as_the_cause(
    size: int, campaign: Campaign
) -> None:
    habits = Habits(mode="session", size=size, wait=0.3)
    with pooled.running(habits, campaign.database) as (url, _):
        ended = campaign.person(url).call("apply", "--gate", "never")

    assert ended.code == ExitCode.UNREACHABLE
    assert "a second session gets no answer" in ended.err
    assert "pool room for more sessions" in ended.err
    with psycopg.connect(campaign.database) as conn:
        assert judge.photograph(conn) == ()


_SLEEPERS = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


def _await_sleeper(conn: psycopg.Connection[tuple[object, ...]]) -> None:
    until = time.monotonic() + 20
    while not conn.execute(_SLEEPERS).fetchone():
        assert time.monotonic() < until, "the migration does not come to its pg_sleep"
        time.sleep(0.01)


@needs_pgbouncer
def test_a_kill_behind_pgbouncer_in_session_mode_ends_the_backend_too(campaign: Campaign) -> None:
    text = "CREATE TABLE once (id int);\nSELECT pg_sleep(60);\n"
    file = campaign.folder / "sleeping" / "0001_sleeps.sql"
    file.parent.mkdir()
    file.write_text(text, "utf-8")
    pool = Pool(mode="session", size=2 * ROOM)
    with (
        pooled.running(pool, campaign.database) as (url, _),
        psycopg.connect(campaign.database, autocommit=True) as conn,
    ):
        person = replace(campaign.person(url), options=("--migrations", "sleeping", "--url", url))
        call = ("apply", "--gate", "never", *person.options)
        process = processes.start(call, campaign.folder)
        _await_sleeper(conn)
        process.kill()
        killed = process.wait(30)
        file.write_text(text.replace("60", "0"), "utf-8")
        ended = person.call("apply", "--gate", "never")

        assert (killed.code, ended.code) == (-9, ExitCode.OK), ended
        assert judge.accounts(conn, "sql").wrong(["0001_sleeps"]) == []


def test_rds_proxy_is_refused_by_its_name_before_it_is_asked(campaign: Campaign) -> None:
    host = "app.proxy-abc123.eu-west-1.rds.amazonaws.com"
    ended = campaign.person(f"postgresql://app@{host}/app").call("status")

    assert ended.code == ExitCode.USAGE
    assert "pooler" in ended.err
    assert "direct address" in ended.err


def test_prismas_word_for_a_pooler_is_enough(campaign: Campaign) -> None:
    ended = campaign.person("postgresql://app@localhost/app?pgbouncer=true").call("status")

    assert ended.code == ExitCode.USAGE
    assert "pgbouncer=true" in ended.err
    assert "direct address" in ended.err
