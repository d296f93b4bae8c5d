"""A full disk, no time, no connection, no right, no server: the right code, one line, no harm done.

Each scenario has a row that nothing may show, and a password in the URL.
"""

import os
import resource
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from migsafe.errors import ExitCode
from migsafe.outcomes import StepResult
from tests.cli import cluster as clusters
from tests.cli.cluster import Cluster
from tests.cli.conftest import Photograph, photograph
from tests.faults import contention, others, servers
from tests.faults.contention import INVALID, Rig
from tests.faults.others import OTHERS, Connection
from tests.faults.processes import Ended, Process

_SECRET = "Mxyzptlk"

_SCHEMA = f"""\
CREATE TABLE patients (id int PRIMARY KEY, name text UNIQUE);
INSERT INTO patients VALUES (1, '{_SECRET}');
CREATE TABLE unrelated (id int);
"""

#: About 25 MB, in the simplest way.
_BIG = "AS SELECT n, repeat('x', 1000) AS x FROM generate_series(1, 24000) AS n"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with servers.private() as running:
        with psycopg.connect(running.url, autocommit=True) as conn:
            conn.execute("ALTER SYSTEM SET max_connections = 16")  # soon taken, all of them
        running.run("pg_ctl", "restart", "-w", "-m", "fast", "-l", running.data / "log")
        yield running


@pytest.fixture(scope="module")
def here(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with contention.rig(server, tmp_path_factory.mktemp("here"), _SCHEMA) as made:
        yield made


@pytest.fixture
def rig(here: Rig, tmp_path: Path) -> Iterator[Rig]:
    """A database of the shared server."""
    with contention.copy(here, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def apart(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with contention.rig(cluster.url, tmp_path_factory.mktemp("apart"), _SCHEMA) as made:
        yield made


@pytest.fixture
def own(apart: Rig, tmp_path: Path) -> Iterator[Rig]:
    """A database of a server that may be filled, restarted and stopped."""
    with contention.copy(apart, tmp_path) as made:
        yield made


# ---------------------------------------------------------------- what a run has to say


def quiet(ended: Ended) -> None:
    shown = ended.out + ended.err
    assert "Traceback" not in shown
    assert _SECRET not in shown
    assert "of-a-test" not in shown


def unreachable(ended: Ended) -> str:
    """Return the only line of a run that could not do its work."""
    quiet(ended)
    assert ended.code == ExitCode.UNREACHABLE, ended
    (line,) = ended.err.splitlines()
    assert line.startswith("migsafe: UNREACHABLE: ")
    return line


def steps(ended: Ended, code: ExitCode, *outcomes: str) -> StepResult:
    """Return the step that stopped a run, whose error is one line."""
    quiet(ended)
    assert ended.report, ended
    assert (ended.code, [str(step.outcome) for step in ended.report.steps]) == (code, [*outcomes])
    stopped = next(step for step in ended.report.steps if step.outcome != "done")
    assert stopped.error
    assert "\n" not in stopped.error
    return stopped


@contextmanager
def unchanged(rig: Rig) -> Iterator[None]:
    """Hold that a block leaves every relation and row as it was, and nothing unfinished.

    A migration outside a transaction leaves receipts of its start and of its end.
    """
    before = seen(rig)
    yield
    assert seen(rig) == before
    assert rig.person.call("status").code == ExitCode.OK


def seen(rig: Rig) -> Photograph:
    taken = photograph(rig.url)
    return {name: rows for name, rows in taken.items() if name != '"migsafe"."receipts"'}


def deployed(rig: Rig, *options: str) -> Ended:
    return rig.deploy(*options).wait(30)


def goes_on(rig: Rig) -> bool:
    """Deploy what is left; tell whether that is all, and no INVALID index."""
    recovery = rig.person.recover()
    return recovery.calls[-1][1] == ExitCode.OK and rig.ask(INVALID) == 0


# ---------------------------------------------------------------- a full disk


@contextmanager
def full(cluster: Cluster, rig: Rig, size: str = "2m") -> Iterator[Callable[[], None]]:
    """Have a tablespace `small` on a file system of its own; yield what makes it large."""
    folder = cluster.data.parent / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("a small file system takes the right to mount one")
    space = folder / "space"
    try:
        space.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(space, cluster.data.owner())
        run(rig, f"CREATE TABLESPACE small LOCATION '{space}'")
        yield lambda: enlarge(folder)
        run(rig, "DROP TABLE IF EXISTS big", "DROP INDEX IF EXISTS big_x", "DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


def enlarge(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=100m", folder], check=True)


def run(rig: Rig, *statements: str) -> None:
    with rig.connected() as conn:
        for statement in ("SET default_transaction_read_only = off", *statements):
            conn.execute(statement.encode())


def test_a_disk_that_is_full_rolls_the_migration_back(cluster: Cluster, own: Rig) -> None:
    own.add(f"ALTER TABLE patients ADD note text; CREATE TABLE big TABLESPACE small {_BIG};")
    with full(cluster, own) as enlarge:
        with unchanged(own):
            stopped = steps(deployed(own), ExitCode.FAILED, "failed")
        assert (stopped.statement, (stopped.error or "")[:6]) == (2, "53100:")
        enlarge()
        assert goes_on(own)


def test_an_index_that_does_not_fit_is_taken_away(cluster: Cluster, own: Rig) -> None:
    own.add(f"CREATE TABLE big {_BIG};")
    assert goes_on(own)
    own.add("CREATE INDEX CONCURRENTLY big_x ON big (md5(x || n), md5(x || -n)) TABLESPACE small;")
    with full(cluster, own) as enlarge:
        with unchanged(own):
            stopped = steps(deployed(own), ExitCode.FAILED, "failed")
        assert (stopped.error or "").startswith("53100:")
        assert own.ask(INVALID) == 0
        enlarge()
        assert goes_on(own)


def test_a_disk_that_fills_up_midway_outside_a_transaction_is_dirty(
    cluster: Cluster, own: Rig
) -> None:
    own.add(
        "ALTER TABLE patients ADD note text; VACUUM unrelated;"
        f"CREATE TABLE big TABLESPACE small {_BIG};"
    )
    with full(cluster, own) as enlarge:
        stopped = steps(deployed(own), ExitCode.DIRTY, "dirty")
        assert (stopped.statement, (stopped.error or "")[:6]) == (3, "53100:")
        enlarge()
        assert goes_on(own)


def test_a_disk_without_room_for_the_receipt_rolls_the_migration_back(
    cluster: Cluster, own: Rig
) -> None:
    own.add("ALTER TABLE patients ADD note text;")
    with full(cluster, own) as enlarge:
        run(own, "ALTER TABLE migsafe.receipts SET TABLESPACE small")
        fill(cluster, own)
        with unchanged(own):
            stopped = steps(deployed(own), ExitCode.FAILED, "failed")
        assert (stopped.statement, (stopped.error or "")[:6]) == (None, "53100:")
        enlarge()
        assert goes_on(own)
        run(own, "ALTER TABLE migsafe.receipts SET TABLESPACE pg_default")


def fill(cluster: Cluster, rig: Rig) -> None:
    """Leave no room on the small disk, and none in the last page of the receipts."""
    folder = cluster.data.parent / "small"
    (folder / "ballast").write_bytes(b"x" * shutil.disk_usage(folder).free)
    receipt = """INSERT INTO migsafe.receipts (run, history, migration, checksum, event)
                 VALUES ('earlier', 'another', 'm', 'c', 'done')"""
    with suppress(psycopg.errors.DiskFull):
        while True:
            run(rig, receipt)


def test_a_file_that_may_not_grow_rolls_the_migration_back(cluster: Cluster, own: Rig) -> None:
    """What `ulimit -f` does to a server: a full disk for those who may not mount one."""
    own.add(f"ALTER TABLE patients ADD note text; CREATE TABLE big {_BIG};")
    with unchanged(own), small_files(cluster):
        stopped = steps(deployed(own), ExitCode.FAILED, "failed")
    assert stopped.statement == 2
    assert goes_on(own)


@contextmanager
def small_files(cluster: Cluster) -> Iterator[None]:
    """Let no file of a server be larger than 18 MB; a segment of its log has 16."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)  # it has ours
    bound(cluster, (18_000_000, before[1]))
    yield
    bound(cluster, before)


def bound(cluster: Cluster, limits: tuple[int, int]) -> None:
    """Set the limits as the server's own user, who alone may where root has not all its rights."""
    process = int((cluster.data / "postmaster.pid").read_text("utf-8").split()[0])
    subprocess.run(
        ["true"],
        user=cluster.data.owner() if os.geteuid() == 0 else None,
        preexec_fn=lambda: resource.prlimit(process, resource.RLIMIT_FSIZE, limits),
        check=True,
        cwd="/",
    )


# ---------------------------------------------------------------- no time


def test_a_statement_that_takes_too_long_is_rolled_back(rig: Rig) -> None:
    rig.limit(statement_timeout="200ms")
    rig.add("ALTER TABLE patients ADD note text;\nSELECT pg_sleep(20);")
    with unchanged(rig):
        stopped = steps(deployed(rig), ExitCode.FAILED, "failed")
    assert (stopped.statement, stopped.line, stopped.attempts) == (2, 2, 1)
    assert (stopped.error or "").startswith("57014:")


def test_what_waits_for_old_snapshots_has_all_the_time(rig: Rig) -> None:
    rig.limit(statement_timeout="200ms")
    rig.add("CREATE INDEX CONCURRENTLY patients_name ON patients (name);")
    with OTHERS["an old snapshot"](rig.url):
        process = rig.deploy()
        assert contention.waits_or_ended(rig, process)
        time.sleep(0.6)
    assert process.wait(30).code == ExitCode.OK
    assert rig.ask(INVALID) == 0


@pytest.mark.parametrize("name", ["idle_in_transaction_session_timeout", "idle_session_timeout"])
def test_a_role_whose_idle_sessions_are_ended_can_deploy(rig: Rig, name: str) -> None:
    if rig.ask(f"SELECT current_setting('{name}', true)") is None:
        pytest.skip(f"this server has no {name}")
    with role(rig) as app:
        run(rig, f"ALTER ROLE {app.role} SET {name} = '50ms'")
        app.rig.add("CREATE TABLE early (id int); SELECT pg_sleep(0.5);")
        app.rig.add("CREATE TABLE late (id int); VACUUM late;")
        assert deployed(app.rig).code == ExitCode.OK


def test_a_role_whose_transactions_are_ended_is_told_so(rig: Rig, server_major: int) -> None:
    if server_major < 17:
        pytest.skip("transaction_timeout is new in PostgreSQL 17")
    with role(rig) as app:
        run(rig, f"ALTER ROLE {app.role} SET transaction_timeout = '300ms'")
        app.rig.add("CREATE TABLE early (id int);\nSELECT pg_sleep(20);")
        with unchanged(rig):
            stopped = steps(deployed(app.rig), ExitCode.FAILED, "failed")
        assert (stopped.error or "").startswith("25P04:")


# ---------------------------------------------------------------- no connection


@dataclass(frozen=True, slots=True)
class App:
    """A role that is no superuser and may deploy, and its rig."""

    role: str
    rig: Rig


@contextmanager
def role(rig: Rig) -> Iterator[App]:
    """Make a role that may make what it likes in this database, and owns nothing in it."""
    name = f"faults_{uuid.uuid4().hex[:12]}"
    parts = urlsplit(rig.url)
    host = parts.netloc.rpartition("@")[2]
    app = replace(rig, url=urlunsplit(parts._replace(netloc=f"{name}:of-a-test@{host}")))
    run(
        rig,
        f"CREATE ROLE {name} LOGIN PASSWORD 'of-a-test'",
        f"GRANT CREATE ON DATABASE {rig.ask('SELECT current_database()')} TO {name}",
        f"GRANT ALL ON SCHEMA public, migsafe TO {name}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public, migsafe TO {name}",
    )
    app.limit(attempts=3)
    try:
        yield App(name, app)
    finally:
        run(rig, f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")


@pytest.mark.parametrize("slots", [0, 1])
def test_a_server_without_a_free_connection_is_unreachable(own: Rig, slots: int) -> None:
    with role(own) as app:
        app.rig.add("CREATE TABLE early (id int);")
        with unchanged(own), ExitStack() as stack:
            taken = list(exhausting(stack, app.rig.url))
            for one in taken[:slots]:  # the session that would hold the lock finds none
                one.close()
            mine = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{app.role}'"
            others.until(lambda: own.ask(mine) == len(taken) - slots)
            assert "connection slots" in unreachable(deployed(app.rig))
        assert goes_on(app.rig)


def exhausting(stack: ExitStack, url: str) -> Iterator[Connection]:
    """Connect as often as the server lets us."""
    with suppress(psycopg.OperationalError):
        while True:
            yield stack.enter_context(psycopg.connect(url))


def test_a_role_with_two_connections_has_enough(rig: Rig) -> None:
    with role(rig) as app:
        run(rig, f"ALTER ROLE {app.role} CONNECTION LIMIT 1")
        app.rig.add("CREATE TABLE early (id int);")
        with unchanged(rig):
            assert "too many connections for role" in unreachable(deployed(app.rig))
        run(rig, f"ALTER ROLE {app.role} CONNECTION LIMIT 2")
        for number in range(3):
            app.rig.add(f"CREATE TABLE early_{number} (id int);")
            ended = deployed(app.rig)
            assert ended.code == ExitCode.OK, ended


# ---------------------------------------------------------------- no writing


def test_a_standby_is_not_written(tmp_path: Path) -> None:
    with ExitStack() as stack:
        primary, follower = stack.enter_context(clusters.replicated())
        rig = stack.enter_context(contention.rig(primary.url, tmp_path, _SCHEMA))
        rig.add("CREATE TABLE early (id int);")
        name = rig.ask("SELECT current_database()")
        there = replace(rig, url=urlunsplit(urlsplit(follower.url)._replace(path=f"/{name}")))
        others.until(lambda: arrived(there))
        there.limit()
        assert "is a standby" in unreachable(deployed(there))
        assert there.person.call("status").code == ExitCode.OK
        assert rig.ask("SELECT to_regclass('early') IS NULL") is True
        rig.limit()
        assert goes_on(rig)


def arrived(there: Rig) -> bool:
    with suppress(psycopg.Error):
        return there.ask("SELECT count(*) FROM migsafe.runs") == 1
    return False


@pytest.mark.parametrize("whose", ["ROLE {role}", "DATABASE {database}"])
def test_a_target_that_is_read_only_by_its_settings_is_not_written(rig: Rig, whose: str) -> None:
    with role(rig) as app:
        database = rig.ask("SELECT current_database()")
        run(
            rig,
            f"ALTER {whose} SET default_transaction_read_only = on".format(
                role=app.role, database=database
            ),
        )
        app.rig.add("CREATE TABLE early (id int);")
        with unchanged(rig):
            assert "default_transaction_read_only" in unreachable(deployed(app.rig))
        run(rig, f"ALTER {whose} RESET ALL".format(role=app.role, database=database))


# ---------------------------------------------------------------- no right


@pytest.mark.parametrize(
    ("taken", "migration", "lacking"),
    [
        ("", "COMMENT ON TABLE patients IS 'x';", "must be owner of table patients"),
        ("CREATE ON SCHEMA public", "CREATE TABLE early (id int);", "schema public"),
        ("SELECT ON patients", "CREATE TABLE copied AS TABLE patients;", "patients"),
    ],
)
def test_a_right_that_a_migration_lacks_rolls_it_back(
    rig: Rig, taken: str, migration: str, lacking: str
) -> None:
    with role(rig) as app:
        if taken:
            run(rig, f"REVOKE {taken} FROM PUBLIC", f"REVOKE {taken} FROM {app.role}")
        app.rig.add(f"SET work_mem = '5MB'; {migration}")
        with unchanged(rig):
            stopped = steps(deployed(app.rig), ExitCode.FAILED, "failed")
    assert (stopped.error or "").startswith("42501:")
    assert lacking in (stopped.error or "")


def test_a_role_that_owns_not_what_is_changed_is_refused_before_anything_runs(rig: Rig) -> None:
    with role(rig) as app:
        app.rig.add("SET work_mem = '5MB'; ALTER TABLE patients ADD note text;")
        with unchanged(rig):
            assert "does not own patients" in unreachable(deployed(app.rig))


@pytest.mark.parametrize(
    ("taken", "lacking"),
    [
        ("INSERT ON migsafe.receipts", "migsafe.receipts"),
        ("SELECT ON migsafe.receipts", "receipts"),
        ("INSERT ON migsafe.migrations", "migsafe.migrations"),
        ("USAGE ON SCHEMA migsafe", "schema migsafe"),
    ],
)
def test_a_right_on_the_ledger_that_is_lacking_is_named(rig: Rig, taken: str, lacking: str) -> None:
    with role(rig) as app:
        run(rig, f"REVOKE {taken} FROM {app.role}")
        app.rig.add("CREATE TABLE early (id int);")
        with unchanged(rig):
            assert lacking in unreachable(deployed(app.rig))


def test_a_right_that_is_taken_during_the_run_rolls_the_migration_back(rig: Rig) -> None:
    with role(rig) as app:
        app.rig.add("CREATE TABLE early (id int); SELECT pg_sleep(1);")
        process = app.rig.deploy()
        executing(rig, process, "pg_sleep")
        run(rig, f"REVOKE INSERT ON migsafe.receipts FROM {app.role}")
        with unchanged(rig):
            stopped = steps(process.wait(30), ExitCode.FAILED, "failed")
    assert (stopped.error or "").startswith("42501:")
    assert stopped.statement is None


def executing(rig: Rig, process: Process, query: str) -> None:
    """Wait until a deployment executes a query."""
    active = f"""SELECT true FROM pg_stat_activity
                 WHERE application_name = 'migsafe' AND state = 'active'
                   AND datname = current_database() AND query LIKE '%{query}%'"""
    others.until(lambda: not process.runs or rig.ask(active))
    assert process.runs


# ---------------------------------------------------------------- no server


def test_a_server_that_is_stopped_during_a_migration_has_rolled_it_back(
    cluster: Cluster, own: Rig
) -> None:
    own.add("CREATE TABLE early (id int);")
    own.add("CREATE TABLE late (id int); SELECT pg_sleep(20);")
    process = own.deploy()
    executing(own, process, "pg_sleep")
    cluster.run("pg_ctl", "restart", "-w", "-m", "fast", "-l", cluster.data / "log")
    stopped = steps(process.wait(30), ExitCode.FAILED, "done", "failed")
    assert (stopped.error or "").startswith("57P01:")
    assert own.ask("SELECT to_regclass('early') IS NOT NULL") is True
    assert own.ask("SELECT to_regclass('late') IS NULL") is True
    assert own.person.call("status").code == ExitCode.OK


def test_a_server_that_shuts_down_lets_nobody_in(cluster: Cluster, own: Rig) -> None:
    own.add("CREATE TABLE early (id int);")
    with psycopg.connect(own.url) as last:  # a smart shutdown waits for its end
        cluster.run("pg_ctl", "stop", "-W", "-m", "smart")
        others.until(lambda: refused(own))
        assert "shutting down" in unreachable(deployed(own))
        last.close()
    others.until(lambda: not (cluster.data / "postmaster.pid").exists())
    unreachable(deployed(own))
    cluster.start()
    assert own.ask("SELECT to_regclass('early') IS NULL") is True
    assert goes_on(own)


def refused(rig: Rig) -> bool:
    try:
        psycopg.connect(rig.url).close()
    except psycopg.OperationalError:
        return True
    return False


def test_a_server_that_shuts_down_during_a_run_lets_it_end(cluster: Cluster, own: Rig) -> None:
    """A smart shutdown ends no session; what is done stays done, and is called so."""
    own.add("CREATE TABLE early (id int); SELECT pg_sleep(1);")
    own.add("CREATE TABLE late (id int);")
    process = own.deploy()
    executing(own, process, "pg_sleep")
    cluster.run("pg_ctl", "stop", "-W", "-m", "smart")
    ended = process.wait(30)
    others.until(lambda: not (cluster.data / "postmaster.pid").exists())
    cluster.start()
    quiet(ended)
    assert ended.report
    assert [str(step.outcome) for step in ended.report.steps] == ["done", "done"], ended
    assert {("verify", "error")} <= {(f.source, f.severity) for f in ended.report.findings}
    assert own.ask("SELECT to_regclass('late') IS NOT NULL") is True
    assert own.person.call("status").code == ExitCode.OK
