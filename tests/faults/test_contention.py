"""Beside readers, writers, dumps and old snapshots: nobody waits behind us for long, all gets done.

Waits are measured by the server, in the session that waits.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from migsafe.errors import ExitCode
from tests.faults import campaigns, contention
from tests.faults.contention import BEARABLE, LOCK_TIMEOUT, MIGRATIONS, Contended, Rig
from tests.faults.others import OTHERS, Probe
from tests.faults.processes import Ended


@pytest.fixture(scope="module")
def prepared(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with contention.rig(server, tmp_path_factory.mktemp("contention")) as made:
        if made.ask("SELECT current_setting('is_superuser')") != "on":
            pytest.skip("log_lock_waits, by which waits are measured, takes a superuser")
        yield made


@pytest.fixture
def modern(server_major: int) -> None:
    if server_major < 14:
        pytest.skip("PostgreSQL 14 is the first with DETACH CONCURRENTLY and pg_locks.waitstart")


@pytest.fixture
def rig(prepared: Rig, tmp_path: Path) -> Iterator[Rig]:
    with contention.copy(prepared, tmp_path) as made:
        yield made


def attempts(ended: Ended) -> int:
    assert ended.report
    return ended.report.steps[0].attempts


# ---------------------------------------------------------------- who leaves in the middle


@pytest.mark.parametrize("migration", MIGRATIONS)
def test_a_migration_gets_done_once_others_leave_and_nobody_waits_behind_it(
    migration: str, prepared: Rig, tmp_path: Path, server_major: int
) -> None:
    made = MIGRATIONS[migration]
    if server_major < 14 and migration == "DETACH CONCURRENTLY":
        pytest.skip("PostgreSQL 14 is the first with DETACH CONCURRENTLY")
    chosen = random.Random(migration).sample(list(OTHERS), min(len(OTHERS), campaigns.scaled(2)))
    for number, other in enumerate(chosen):
        with contention.copy(prepared, tmp_path / str(number)) as rig:
            done = contention.trial(rig, migration, other)
            check(done)
            assert done.waited == (other in made.waits), (other, done)
            assert (done.attempts > 1) == (done.waited and not made.patient), (other, done)


def check(done: Contended) -> None:
    assert done.ended.code == ExitCode.OK, done
    assert done.in_effect, done
    assert done.worst <= BEARABLE, done
    assert done.invalid == 0, done


# ---------------------------------------------------------------- who stays


@pytest.mark.parametrize("other", ["an idle reader", "pg_dump", "an idle writer"])
def test_a_migration_whose_attempts_are_spent_is_busy_and_has_changed_nothing(
    rig: Rig, other: str
) -> None:
    rig.limit(attempts=3)
    rig.add("CREATE TABLE early (id int);\nALTER TABLE visits ADD COLUMN note text;")
    with Probe(rig.url) as probe, OTHERS[other](rig.url):
        ended = rig.deploy().wait(30)

    assert (ended.code, attempts(ended)) == (ExitCode.BUSY, 3)
    assert probe.worst <= BEARABLE
    assert rig.ask("SELECT to_regclass('early') IS NULL") is True
    assert rig.ask(MIGRATIONS["ALTER TABLE"].effect) is None
    assert rig.person.call("status").code == ExitCode.OK
    assert rig.person.call("apply", "--gate", "never").code == ExitCode.OK


def test_an_index_is_built_for_as_long_as_an_old_snapshot_lasts(rig: Rig) -> None:
    rig.limit(attempts=1)
    rig.add(MIGRATIONS["CREATE INDEX CONCURRENTLY"].sql)
    with Probe(rig.url) as probe:
        with OTHERS["an old snapshot"](rig.url):
            process = rig.deploy()
            assert contention.waits_or_ended(rig, process)
            time.sleep(5 * LOCK_TIMEOUT)
            assert process.runs
        ended = process.wait(30)

    assert (ended.code, attempts(ended)) == (ExitCode.OK, 1)
    assert rig.ask(MIGRATIONS["CREATE INDEX CONCURRENTLY"].effect) is True
    assert probe.worst <= BEARABLE


# ---------------------------------------------------------------- who holds one, and wants more


def test_what_is_patient_alone_is_not_so_while_its_transaction_keeps_others_out(rig: Rig) -> None:
    rig.limit(attempts=2)
    validate = MIGRATIONS["VALIDATE CONSTRAINT"].sql
    rig.add(f"ALTER TABLE patients ADD COLUMN note text;\n{validate};")
    with Probe(rig.url, "SELECT FROM patients") as probe, OTHERS["maintenance"](rig.url):
        ended = rig.deploy().wait(30)

    assert (ended.code, attempts(ended)) == (ExitCode.BUSY, 2)
    assert 0 < probe.worst <= BEARABLE


@pytest.mark.usefixtures("modern")
@pytest.mark.parametrize("migration", contention.SEVERAL)
def test_waits_for_one_table_after_another_count_as_one_wait(rig: Rig, migration: str) -> None:
    done = contention.one_by_one(rig, migration)
    check(done)
    assert done.attempts > 1
    assert done.worst >= LOCK_TIMEOUT


@pytest.mark.usefixtures("modern")
def test_readers_of_a_partition_do_not_wait_until_it_is_detached(rig: Rig) -> None:
    done = contention.partition_read(rig)
    check(done)
    assert done.waited
    assert done.attempts > 1
    assert done.worst >= LOCK_TIMEOUT


@pytest.mark.usefixtures("modern")
def test_a_detach_whose_attempts_are_spent_is_left_to_a_person(rig: Rig) -> None:
    rig.limit(attempts=2)
    rig.add(MIGRATIONS["DETACH CONCURRENTLY"].sql)
    with Probe(rig.url, "SELECT FROM part") as probe, contention.reading(rig, "part"):
        ended = rig.deploy().wait(30)

    assert (ended.code, attempts(ended)) == (ExitCode.DIRTY, 2)
    assert probe.worst <= BEARABLE
    assert rig.person.call("status").code == ExitCode.DIRTY
    with rig.connected() as conn:  # what a person does, as migsafe says
        conn.execute("ALTER TABLE parts DETACH PARTITION part FINALIZE")
    assert rig.person.call("resolve", "--applied", "0002_m").code == ExitCode.OK
    assert rig.person.call("status").code == ExitCode.OK


def test_a_file_that_sets_its_own_lock_timeout_has_decided_for_itself(rig: Rig) -> None:
    rig.limit(attempts=1)
    rig.add("SET LOCAL lock_timeout = '20s';\nALTER TABLE visits ADD COLUMN note text;")
    with Probe(rig.url) as probe:
        with OTHERS["an idle reader"](rig.url):
            process = rig.deploy()
            assert contention.waits_or_ended(rig, process)
            time.sleep(3 * LOCK_TIMEOUT)
        ended = process.wait(30)

    assert (ended.code, attempts(ended)) == (ExitCode.OK, 1)
    assert probe.worst >= 2 * LOCK_TIMEOUT
