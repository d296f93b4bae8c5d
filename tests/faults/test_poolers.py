"""Behind a pooler that shares backends nothing is done, and behind another one all of it works."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from migsafe.errors import ExitCode
from tests.cli import databases
from tests.faults import bouncing, judge, pooled, processes, servers
from tests.faults.bouncing import Pool
from tests.faults.pooled import MODES, RELEASE, Campaign
from tests.faults.swapping import Habits

needs_pgbouncer = pytest.mark.skipif(
    not bouncing.PROGRAM, reason="no pgbouncer in PATH, /usr/sbin or MIGSAFE_PGBOUNCER"
)


@pytest.fixture(scope="module")
def trusting(server: str) -> Iterator[str]:
    """Yield the URL of a server that asks for no password: the stand-in knows none."""
    if "password" not in conninfo.conninfo_to_dict(server):
        yield server
        return
    with servers.private() as cluster:
        yield cluster.url


@pytest.fixture(scope="module")
def lasting(trusting: str) -> Iterator[str]:
    with databases.lasting(trusting) as url:
        yield url


@pytest.fixture
def campaign(trusting: str, lasting: str, tmp_path: Path) -> Campaign:
    databases.empty(lasting)
    made = Campaign(folder=tmp_path, server=trusting, database=lasting)
    made.lay_out()
    return made


@pytest.mark.parametrize("relays", [False, True], ids=["invented process", "true process"])
@pytest.mark.parametrize("mode", MODES)
def test_every_command_refuses_a_pooler_that_swaps_backends_before_it_sets_anything(
    mode: str, relays: bool, campaign: Campaign
) -> None:
    poolers = [*pooled.habits(mode, relays=relays)]

    campaign.refuse(poolers)

    assert campaign.wrong == []
    assert campaign.codes == {ExitCode.USAGE: sum(len(campaign.commands(one)) for one in poolers)}


@needs_pgbouncer
@pytest.mark.parametrize("mode", MODES)
def test_every_command_refuses_pgbouncer_where_it_shares_backends(
    mode: str, campaign: Campaign
) -> None:
    poolers = [*pooled.pools(mode)]

    campaign.refuse(poolers)

    assert campaign.wrong == []
    assert campaign.codes == {ExitCode.USAGE: sum(len(campaign.commands(one)) for one in poolers)}


@pytest.mark.parametrize("relays", [False, True], ids=["invented process", "true process"])
def test_a_release_goes_through_a_pooler_that_gives_each_session_a_backend(
    relays: bool, campaign: Campaign
) -> None:
    habits = Habits(mode="session", size=pooled.ROOM, relays=relays)

    campaign.release(habits)

    assert campaign.wrong == []
    assert campaign.codes == {ExitCode.OK: len(RELEASE)}


@needs_pgbouncer
@pytest.mark.parametrize("round_robin", [False, True])
def test_a_release_goes_through_pgbouncer_in_session_mode(
    round_robin: bool, campaign: Campaign
) -> None:
    pool = Pool(mode="session", size=pooled.ROOM, round_robin=round_robin)

    campaign.release(pool)

    assert campaign.wrong == []
    assert campaign.codes == {ExitCode.OK: len(RELEASE)}


@pytest.mark.parametrize("size", range(1, pooled.ROOM))
def test_a_pool_without_room_for_our_sessions_is_named_as_the_cause(
    size: int, campaign: Campaign
) -> None:
    habits = Habits(mode="session", size=size, wait=0.3)
    first = campaign.person(campaign.database).call(*pooled.FIRST)
    with psycopg.connect(campaign.database, autocommit=True) as conn:
        before = judge.photograph(conn)
        with pooled.running(habits, campaign.database) as (url, _):
            ended = campaign.person(url).call("apply", "--gate", "never")

        assert (first.code, ended.code) == (ExitCode.OK, ExitCode.UNREACHABLE)
        assert "a second session gets no answer" in ended.err
        assert "pool room for more sessions" in ended.err
        assert judge.photograph(conn) == before


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
    pool = Pool(mode="session", size=2 * pooled.ROOM)
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
