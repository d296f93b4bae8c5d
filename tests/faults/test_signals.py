"""SIGTERM and SIGINT to a real process: nothing is half done without being called so."""

import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
import pytest

from migsafe import ledger
from migsafe.errors import ExitCode
from tests.faults import campaigns, contention, others
from tests.faults.contention import INVALID, MIGRATIONS, Rig
from tests.faults.others import OTHERS, held
from tests.faults.processes import Ended, Process

NUMBERS = (signal.SIGTERM, signal.SIGINT)

ALTER, BUILD = MIGRATIONS["ALTER TABLE"], MIGRATIONS["CREATE INDEX CONCURRENTLY"]

#: Whom only a build waits for: none of them has a lock on its table.
ELSEWHERE: Mapping[str, Callable[[str], AbstractContextManager[None]]] = {
    "an old snapshot": OTHERS["an old snapshot"],
    "a long query": lambda url: others.executing(url, "SELECT pg_sleep(600)"),
}

#: Ends a migration that no transaction holds together.
_ALONE = "VACUUM unrelated;"

_EVENTS = "SELECT string_agg(event, ' ' ORDER BY id) FROM migsafe.receipts WHERE migration = '{}'"


@pytest.fixture(scope="module")
def prepared(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with contention.rig(server, tmp_path_factory.mktemp("signals")) as made:
        yield made


@pytest.fixture
def rig(prepared: Rig, tmp_path: Path) -> Iterator[Rig]:
    with contention.copy(prepared, tmp_path) as made:
        yield made


def await_query(rig: Rig, process: Process, query: str, state: str = "active") -> None:
    """Wait until the session of a deployment executes a query, or has done so last."""
    seen = """SELECT true FROM pg_stat_activity
              WHERE datname = current_database() AND application_name = 'migsafe'
                AND state = %s AND query LIKE %s"""
    with rig.connected() as watch:
        others.until(
            lambda: not process.runs or watch.execute(seen, [state, f"%{query}%"]).fetchone()
        )
    assert process.runs


def stopped(process: Process, *numbers: signal.Signals) -> Ended:
    """Send signals, some time apart, and wait for the end, which must come soon."""
    for number in numbers:
        process.kill(number)
        time.sleep(0.3 if len(numbers) > 1 else 0)
    return process.wait(8)


def outcomes(ended: Ended) -> list[str]:
    assert ended.report, ended
    assert "Traceback" not in ended.err
    return [str(step.outcome) for step in ended.report.steps]


def clean(rig: Rig) -> bool:
    """Tell whether nothing is called unfinished, and no INVALID index is left."""
    return rig.person.call("status").code == ExitCode.OK and rig.ask(INVALID) == 0


def goes_on(rig: Rig) -> bool:
    """Deploy what is left; tell whether all is in effect then."""
    return rig.person.call("apply", "--gate", "never").code == ExitCode.OK and clean(rig)


# ---------------------------------------------------------------- one signal


@pytest.mark.parametrize("number", NUMBERS)
def test_the_open_transaction_is_rolled_back(rig: Rig, number: signal.Signals) -> None:
    rig.add("CREATE TABLE early (id int);\nSELECT pg_sleep(1) FROM generate_series(1, 20);")
    process = rig.deploy()
    await_query(rig, process, "pg_sleep")
    ended = stopped(process, number)

    assert (ended.code, outcomes(ended)) == (ExitCode.INTERRUPTED, ["failed"])
    assert rig.ask("SELECT to_regclass('early') IS NULL") is True
    assert rig.ask(_EVENTS.format("0002_m")) is None
    assert clean(rig)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("other", ELSEWHERE)
def test_an_index_build_that_waits_is_cancelled_and_leaves_nothing(
    rig: Rig, number: signal.Signals, other: str
) -> None:
    rig.add(BUILD.sql)
    with ELSEWHERE[other](rig.url):
        process = rig.deploy()
        assert contention.waits_or_ended(rig, process)
        ended = stopped(process, number)

    assert (ended.code, outcomes(ended)) == (ExitCode.INTERRUPTED, ["failed"])
    assert rig.ask("SELECT to_regclass('visits_patient') IS NULL") is True
    assert rig.ask(_EVENTS.format("0002_m")) == "began failed"
    assert clean(rig)
    assert goes_on(rig)
    assert rig.ask(BUILD.effect) is True


def test_what_is_being_committed_is_done_and_the_next_one_does_not_begin(rig: Rig) -> None:
    rig.limit(lock_timeout="20s")
    rig.add("CREATE TABLE early (id int);")
    rig.add("CREATE TABLE late (id int);")
    with held(rig.url, "LOCK TABLE migsafe.receipts IN SHARE MODE"):
        process = rig.deploy()
        await_query(rig, process, "INSERT INTO migsafe.receipts")
        process.kill(signal.SIGTERM)
        time.sleep(0.2)
        assert process.runs
    ended = process.wait(8)

    assert (ended.code, outcomes(ended)) == (ExitCode.INTERRUPTED, ["done", "skipped"])
    assert rig.ask("SELECT to_regclass('early') IS NOT NULL") is True
    assert rig.ask("SELECT to_regclass('late') IS NULL") is True
    assert clean(rig)
    assert goes_on(rig)


@pytest.mark.parametrize("more", ["", _ALONE], ids=["in a transaction", "outside one"])
def test_nothing_is_in_effect_after_a_signal_in_the_back_off(rig: Rig, more: str) -> None:
    rig.limit(lock_timeout="20ms", attempts=1000)
    rig.add(f"{ALTER.sql};\n{more}")
    with OTHERS["an idle reader"](rig.url):
        process = rig.deploy()
        time.sleep(1.5)  # attempts are by now a second apart
        await_query(rig, process, "ROLLBACK", "idle")
        ended = stopped(process, signal.SIGTERM)

    assert (ended.code, outcomes(ended)) == (ExitCode.INTERRUPTED, ["failed"])
    assert rig.ask(ALTER.effect) is None
    assert clean(rig)
    assert goes_on(rig)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_deployment_that_waits_for_its_turn_goes_at_once(
    rig: Rig, number: signal.Signals
) -> None:
    rig.add(ALTER.sql)
    with deploying(rig):
        process = rig.deploy("--lock-wait", "60s")
        await_query(rig, process, "locktype = 'advisory'", "idle")
        ended = stopped(process, number)

    assert ended.code == ExitCode.INTERRUPTED
    assert ended.err.splitlines()[-1] == "migsafe: INTERRUPTED: interrupted"
    assert rig.ask(ALTER.effect) is None
    assert clean(rig)


@contextmanager
def deploying(rig: Rig) -> Iterator[None]:
    """Hold the lock as another deployment does."""
    with psycopg.connect(rig.url) as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", [ledger.LOCK])
        yield


#: Lets a session of migsafe wait, as soon as this is in effect.
_SLOW_LOGIN = """\
CREATE FUNCTION slowly() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
    IF current_setting('application_name') = 'migsafe' THEN PERFORM pg_sleep(20); END IF; END$$;
CREATE EVENT TRIGGER slow_login ON login EXECUTE FUNCTION slowly();
"""


def test_what_is_done_is_said_after_a_signal_during_the_verification(
    rig: Rig, server_major: int
) -> None:
    if server_major < 17:
        pytest.skip("a trigger on login is new in PostgreSQL 17")
    rig.add(_SLOW_LOGIN)
    process = rig.deploy()
    sleeps = "SELECT true FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    others.until(lambda: not process.runs or rig.ask(sleeps))
    ended = stopped(process, signal.SIGTERM)
    with rig.connected() as conn:
        conn.execute("DROP EVENT TRIGGER slow_login")

    assert (ended.code, outcomes(ended)) == (ExitCode.INTERRUPTED, ["done"])
    assert clean(rig)


# ---------------------------------------------------------------- two of them


def test_a_second_signal_stops_the_clearing_away_and_what_is_left_is_known(rig: Rig) -> None:
    rig.limit(lock_timeout="20s")
    rig.add(BUILD.sql)
    with OTHERS["an idle writer"](rig.url):
        process = rig.deploy()
        assert contention.waits_or_ended(rig, process)
        process.kill(signal.SIGTERM)
        await_query(rig, process, "DROP INDEX CONCURRENTLY")
        ended = stopped(process, signal.SIGTERM)
        assert (ended.code, outcomes(ended)) == (ExitCode.DIRTY, ["dirty"])
        assert rig.person.call("status").code == ExitCode.DIRTY

    assert rig.person.recover().calls[-1][1] == ExitCode.OK
    assert rig.ask(BUILD.effect) is True
    assert clean(rig)


def test_a_second_signal_ends_a_commit_that_waits_and_its_receipt_decides(rig: Rig) -> None:
    rig.limit(lock_timeout="20s")
    rig.add("CREATE TABLE early (id int);")
    with held(rig.url, "LOCK TABLE migsafe.receipts IN SHARE MODE"):
        process = rig.deploy()
        await_query(rig, process, "INSERT INTO migsafe.receipts")
        ended = stopped(process, signal.SIGTERM, signal.SIGTERM)

    assert (ended.code, outcomes(ended)) == (ExitCode.INTERRUPTED, ["failed"])
    assert rig.ask("SELECT to_regclass('early') IS NULL") is True
    assert clean(rig)
    assert goes_on(rig)


# ---------------------------------------------------------------- at any moment

_SLOWLY = """\
CREATE FUNCTION slowly(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE
    AS $$BEGIN PERFORM pg_sleep(0.0005); RETURN id; END$$;
"""


def test_a_build_that_ends_as_the_signal_comes_is_never_lost(prepared: Rig, tmp_path: Path) -> None:
    chance = random.Random("signals")
    for number in range(campaigns.scaled(5)):
        with contention.copy(prepared, tmp_path / str(number)) as rig:
            rig.add(_SLOWLY)
            assert goes_on(rig)
            rig.add(
                "CREATE INDEX CONCURRENTLY visits_patient ON visits (slowly(patient));\n"
                "CREATE INDEX CONCURRENTLY visits_slowly ON visits (slowly(id));\n"
            )
            process = rig.deploy()
            await_query(rig, process, "CREATE INDEX CONCURRENTLY visits_patient")
            time.sleep(chance.uniform(0, 1.0))
            process.kill(chance.choice(NUMBERS))
            ended = process.wait(8)
            agrees(rig, ended)


def agrees(rig: Rig, ended: Ended) -> None:
    """Hold what a run said against the database, and see that the next one brings it to its end."""
    valid = int(
        str(
            rig.ask(
                "SELECT count(*) FROM pg_index WHERE indisvalid AND indrelid = "
                "'visits'::regclass AND indexprs IS NOT NULL"
            )
        )
    )
    expected = {"done": (2, ExitCode.OK), "dirty": (1, ExitCode.DIRTY), "failed": (0, ExitCode.OK)}
    (outcome,) = outcomes(ended) or ["failed"]
    assert (valid, rig.person.call("status").code) == expected[outcome], ended
    assert rig.ask(INVALID) == 0
    assert rig.person.recover().calls[-1][1] == ExitCode.OK
    assert clean(rig)
