"""The forecast of blockers against a server: it names whom a statement really waits for.

Sessions are real, and held by the tests. What a server has to be set up for (prepared transactions,
a vacuum against wraparound) is on one of its own.
"""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql as pgsql

from migsafe import blockers, hazards, sql
from migsafe.blockers import Blocker, Kind, advice, ending, progress
from migsafe.catalog import live
from migsafe.hazards import Options, Unit, Wait
from migsafe.hazards.locks import Mode
from migsafe.schema import Key
from migsafe.shadow import servers
from tests.conftest import Called

Conn = psycopg.Connection[Any]

SCHEMA = """
    CREATE TABLE patients (id int PRIMARY KEY, name text);
    CREATE TABLE visits (id int PRIMARY KEY, patient int);
    CREATE INDEX by_patient ON visits (patient);
    CREATE INDEX spare ON visits (patient);
    CREATE TABLE unrelated (id int);
    CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM visits;
    CREATE UNIQUE INDEX ON counted (n);
    ALTER TABLE visits ADD CONSTRAINT positive CHECK (patient > 0) NOT VALID;
    CREATE SCHEMA "Odd %s";
    CREATE TABLE "Odd %s"."A b" (id int);
    CREATE TABLE parts (id int) PARTITION BY LIST (id);
    CREATE TABLE part PARTITION OF parts FOR VALUES IN (1);
"""


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a transaction that has just begun count as one that lasts."""
    monkeypatch.setattr(blockers, "MOMENT", 0.0)


@pytest.fixture
def clinic(conn: Conn) -> Conn:
    """An autocommit session on a small clinic."""
    conn.execute(SCHEMA.encode())
    return conn


@pytest.fixture
def opened(database: str) -> Iterator[Callable[..., Conn]]:
    """Return a function that opens another session of the database, in a transaction."""
    with ExitStack() as stack:

        def connect(url: str = database, *statements: str, **options: Any) -> Conn:
            session = stack.enter_context(ending_quietly(psycopg.connect(url, **options)))
            for statement in statements:
                session.execute(statement.encode())
            return session

        yield connect


@contextmanager
def ending_quietly(session: Conn) -> Iterator[Conn]:
    try:
        yield session
    finally:
        session.close()


@contextmanager
def running(url: str, statement: str, **options: Any) -> Iterator[Conn]:
    """Run a statement in a thread until the block ends; what it ends with is of no interest."""
    session: Conn = psycopg.connect(url, **options)

    def run() -> None:
        with suppress(psycopg.Error):
            session.execute(statement.encode())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield session
    finally:
        session.cancel_safe()
        thread.join()
        session.close()


def until(met: Callable[[], Any]) -> Any:
    """Wait for something to become true, and return it."""
    deadline = time.monotonic() + 20
    while not (found := met()):
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)
    return found


def waits_of(conn: Conn, text: str) -> list[Wait]:
    """Return whom a migration waits for, as a plan finds it."""
    found: dict[Wait, None] = {}
    unit = Unit(
        name="1_a", file="1_a.sql", text=text, statements=sql.parse(text), transaction=False
    )
    hazards.walk([unit], live.read(conn), Options(), found)
    return list(found)


def forecast(conn: Conn, text: str) -> tuple[Blocker, ...]:
    return blockers.forecast(conn, waits_of(conn, text))


def wait_on(mode: Mode, *names: str) -> list[Wait]:
    return [
        Wait(
            migration="1_a",
            relation=Key("public", name),
            mode=mode,
            file="1_a.sql",
            line=1,
            statement=1,
        )
        for name in names
    ]


def pid_of(session: Conn) -> int:
    return session.info.backend_pid


def is_kept_waiting(conn: Conn, statement: str) -> bool:
    """Run a statement and tell whether the lock_timeout ended it; it leaves nothing behind."""
    try:
        conn.execute(statement.encode())
    except psycopg.errors.LockNotAvailable:
        return True
    return False


# ---------------------------------------------------------------- locks


def test_an_idle_database_has_nobody_in_the_way(clinic: Conn, at_once: None) -> None:
    text = """ALTER TABLE patients ADD COLUMN n int; DROP TABLE visits CASCADE;
              CREATE INDEX CONCURRENTLY ON patients (name); REINDEX TABLE CONCURRENTLY patients;"""
    assert forecast(clinic, text) == ()


def test_nobody_is_asked_where_nothing_is_waited_for(clinic: Conn) -> None:
    clinic.close()
    assert blockers.forecast(clinic, []) == ()


def test_the_forecast_agrees_with_the_server_on_every_pair_of_modes(
    clinic: Conn, opened: Callable[..., Conn], database: str, at_once: None
) -> None:
    said, done = set(), set()
    for held in Mode:
        holder = opened(database, f"LOCK TABLE patients IN {held} MODE")
        for wanted in Mode:
            if blockers.forecast(clinic, wait_on(wanted, "patients")):
                said.add((held, wanted))
            with suppress(psycopg.errors.LockNotAvailable), clinic.transaction():
                clinic.execute(f"LOCK TABLE patients IN {wanted} MODE NOWAIT".encode())
                continue
            done.add((held, wanted))
        holder.rollback()
    assert said == done
    assert len(done) == 38


def test_a_blocker_is_told_with_its_process_user_application_state_and_age(
    clinic: Conn, opened: Callable[..., Conn], database: str, at_once: None
) -> None:
    reader = opened(database, "SELECT * FROM patients", application_name="web")
    time.sleep(0.3)
    (found,) = forecast(clinic, "SELECT 1;\n\nALTER TABLE patients ADD COLUMN n int;")
    assert (found.kind, found.pid, found.user) == (Kind.SESSION, pid_of(reader), "postgres")
    assert (found.application, found.state) == ("web", "idle in transaction")
    assert 0.2 < (found.age_seconds or 0) < 20
    assert found.statement_seconds is None
    assert (found.why, found.relations) == ("holds ACCESS SHARE", ("patients",))
    assert [(b.migration, b.line, b.statement) for b in found.blocks] == [("1_a", 3, 2)]


def test_names_that_need_quotes_are_found(
    clinic: Conn, opened: Callable[..., Conn], database: str, at_once: None
) -> None:
    opened(database, 'INSERT INTO "Odd %s"."A b" VALUES (1)')
    (found,) = forecast(clinic, 'CREATE INDEX ON "Odd %s"."A b" (id)')
    assert found.relations == ("Odd %s.A b",)


def test_one_session_is_one_blocker_with_its_strongest_lock(
    clinic: Conn, opened: Callable[..., Conn], database: str, at_once: None
) -> None:
    opened(database, "SELECT FROM visits", "UPDATE patients SET name = ''", "SELECT FROM patients")
    (found,) = forecast(clinic, "DROP TABLE visits CASCADE; DROP TABLE patients")
    assert found.why == "holds ROW EXCLUSIVE"
    assert sorted(found.relations) == ["patients", "visits"]
    assert [place.statement for place in found.blocks] == [1]


def test_who_asks_for_a_lock_is_in_the_way_of_those_behind(
    clinic: Conn, opened: Callable[..., Conn], database: str, at_once: None
) -> None:
    opened(database, "SELECT FROM patients")
    with running(database, "ALTER TABLE patients ADD COLUMN n int") as waiter:
        until(lambda: blockers.waiting_for(clinic, pid_of(waiter)))
        (found,) = forecast(clinic, "INSERT INTO patients VALUES (1)")
        assert (found.pid, found.why) == (pid_of(waiter), "waits for ACCESS EXCLUSIVE")
        assert found.statement_seconds is not None


def test_a_transaction_that_has_just_begun_is_taken_for_one_that_ends(
    clinic: Conn, opened: Callable[..., Conn], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(database, "SELECT FROM patients")
    monkeypatch.setattr(blockers, "MOMENT", 30.0)
    assert forecast(clinic, "DROP TABLE patients") == ()
    monkeypatch.setattr(blockers, "MOMENT", 0.0)
    assert len(forecast(clinic, "DROP TABLE patients")) == 1


def test_our_own_sessions_are_not_in_our_way(
    clinic: Conn, opened: Callable[..., Conn], database: str, at_once: None
) -> None:
    own = opened(database, "SELECT FROM patients")
    clinic.execute("BEGIN; SELECT FROM patients")
    waits = wait_on(Mode.ACCESS_EXCLUSIVE, "patients")
    assert blockers.forecast(clinic, waits, own=[pid_of(own)]) == ()
    assert [one.pid for one in blockers.forecast(clinic, waits)] == [pid_of(own)]


def test_a_table_that_is_gone_or_of_another_database_is_in_nobodys_way(
    clinic: Conn, make_database: Callable[[], str], opened: Callable[..., Conn], at_once: None
) -> None:
    opened(make_database(), SCHEMA, "SELECT FROM patients")
    assert forecast(clinic, "DROP TABLE patients") == ()
    assert blockers.forecast(clinic, wait_on(Mode.ACCESS_EXCLUSIVE, "nowhere")) == ()


# ---------------------------------------------------------------- who really waits

STATEMENTS = (
    "CREATE INDEX CONCURRENTLY made ON visits (patient)",
    "DROP INDEX CONCURRENTLY spare",
    "REINDEX INDEX CONCURRENTLY by_patient",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY counted",
    "ALTER TABLE visits VALIDATE CONSTRAINT positive",
    "ALTER TABLE visits ADD COLUMN n int",
    "CREATE INDEX other ON visits (id)",
    "ALTER TABLE parts DETACH PARTITION part CONCURRENTLY",
    "INSERT INTO visits VALUES (9, 9)",
    "SELECT FROM visits",
    "VACUUM visits",
)

#: What another session does meanwhile (reference: the table of CREATE INDEX CONCURRENTLY).
SITUATIONS: dict[str, tuple[str, ...]] = {
    "nobody": (),
    "wrote elsewhere": ("BEGIN", "INSERT INTO unrelated VALUES (1)"),
    "read the table": ("BEGIN", "SELECT FROM visits"),
    "wrote the table": ("BEGIN", "INSERT INTO visits VALUES (2, 2)"),
    "read a partition": ("BEGIN", "SELECT FROM part"),
    "read the view": ("BEGIN", "SELECT FROM counted"),
    "has a snapshot": ("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1"),
    "has a cursor": ("BEGIN", "DECLARE c CURSOR FOR SELECT 1", "FETCH c"),
    "locked the table": ("BEGIN", "LOCK TABLE visits IN SHARE MODE"),
    "altered the table": ("BEGIN", "ALTER TABLE visits ADD COLUMN other int"),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_forecast_names_exactly_those_whom_a_statement_waits_for(
    situation: str,
    clinic: Conn,
    opened: Callable[..., Conn],
    database: str,
    server_major: int,
    at_once: None,
) -> None:
    statements = [text for text in STATEMENTS if server_major >= 14 or "DETACH" not in text]
    waits = {text: waits_of(clinic, text) for text in statements}
    other = opened(database, *SITUATIONS[situation], autocommit=True)
    said = {text: [one.pid for one in blockers.forecast(clinic, waits[text])] for text in waits}
    clinic.execute("SET lock_timeout = '250ms'")
    kept = {text for text in statements if is_kept_waiting(clinic, text)}
    assert said == {text: [pid_of(other)] if text in kept else [] for text in statements}


def test_a_statement_that_runs_is_in_the_way_of_concurrently_alone(
    clinic: Conn, database: str, at_once: None
) -> None:
    with running(database, "SELECT pg_sleep(30)") as other:
        until(lambda: forecast(clinic, STATEMENTS[0]))
        (found,) = forecast(clinic, STATEMENTS[0])
        assert (found.pid, found.why, found.state) == (
            pid_of(other),
            "has an old snapshot",
            "active",
        )
        assert forecast(clinic, "ALTER TABLE visits ADD COLUMN n int") == ()
        clinic.execute("SET lock_timeout = '250ms'")
        assert is_kept_waiting(clinic, STATEMENTS[0])


def test_a_snapshot_of_another_database_keeps_nobody_waiting(
    clinic: Conn, make_database: Callable[[], str], opened: Callable[..., Conn], at_once: None
) -> None:
    opened(make_database(), *SITUATIONS["has a snapshot"], autocommit=True)
    assert forecast(clinic, STATEMENTS[0]) == ()
    clinic.execute("SET lock_timeout = '250ms'")
    assert not is_kept_waiting(clinic, STATEMENTS[0])


def test_a_vacuum_of_another_table_does_not_keep_concurrently_waiting(
    clinic: Conn, database: str, at_once: None
) -> None:
    clinic.execute("INSERT INTO unrelated SELECT generate_series(1, 100000)")
    slowly = "-c vacuum_cost_delay=100 -c vacuum_cost_limit=1"
    with running(database, "VACUUM unrelated", options=slowly, autocommit=True) as other:
        until(lambda: progress.building(clinic, pid_of(other)))
        assert forecast(clinic, STATEMENTS[0]) == ()
        assert not is_kept_waiting(clinic, f"SET lock_timeout = '2s'; {STATEMENTS[-2]}")
        clinic.execute("SET lock_timeout = '2s'")
        assert not is_kept_waiting(clinic, STATEMENTS[0])


# ---------------------------------------------------------------- what is hidden


@pytest.fixture
def roles(server: str) -> Iterator[tuple[str, str]]:
    """Names of two roles that may not look into each other's sessions: deployer, application."""
    names = (f"deployer_{os.getpid()}", f"app_{os.getpid()}")
    with psycopg.connect(server, autocommit=True) as admin:
        for name in names:
            admin.execute(pgsql.SQL("CREATE ROLE {} LOGIN").format(pgsql.Identifier(name)))
        yield names
        for name in names:
            admin.execute(pgsql.SQL("DROP OWNED BY {}").format(pgsql.Identifier(name)))
            admin.execute(pgsql.SQL("DROP ROLE {}").format(pgsql.Identifier(name)))


@pytest.fixture
def deployer(
    clinic: Conn, database: str, roles: tuple[str, str]
) -> Iterator[tuple[Conn, Callable[..., Any]]]:
    """A session of a role that sees little, and how to connect as the other one."""
    names = pgsql.SQL(", ").join(map(pgsql.Identifier, roles))
    clinic.execute(pgsql.SQL("GRANT ALL ON ALL TABLES IN SCHEMA public TO {}").format(names))
    with psycopg.connect(database, user=roles[0], autocommit=True) as session:
        yield session, lambda **options: psycopg.connect(database, user=roles[1], **options)
    # What it has been granted goes with the database.
    clinic.execute(pgsql.SQL("DROP OWNED BY {}").format(names))


def test_what_the_role_may_not_see_is_unknown_and_not_absent(
    deployer: tuple[Conn, Callable[..., Conn]], roles: tuple[str, str]
) -> None:
    conn, connect = deployer
    with ending_quietly(connect(application_name="web")) as reader:
        reader.execute("SELECT FROM visits")
        (found,) = blockers.forecast(conn, wait_on(Mode.ACCESS_EXCLUSIVE, "visits"))
        assert (found.kind, found.pid, found.user) == (Kind.SESSION, pid_of(reader), roles[1])
        assert (found.state, found.age_seconds, found.statement_seconds) == (None, None, None)
        assert found.why == "holds ACCESS SHARE"
        (warning,) = advice.findings([found])
        assert "state unknown to this role" in warning.message
        assert "pg_read_all_stats" in (warning.remedy or "")


def test_a_hidden_session_in_a_transaction_may_have_a_snapshot(
    deployer: tuple[Conn, Callable[..., Conn]],
) -> None:
    conn, connect = deployer
    snapshots = [Wait(migration="1_a", file="1_a.sql", line=1, statement=1)]
    with ending_quietly(connect(autocommit=True)) as other:
        other.execute("SELECT FROM visits")
        assert blockers.forecast(conn, snapshots) == ()
        other.execute("BEGIN")
        other.execute("SELECT FROM visits")
        (found,) = blockers.forecast(conn, snapshots)
        assert (found.pid, found.why) == (pid_of(other), "may have an old snapshot")


def test_a_hidden_transaction_that_ends_in_a_moment_is_not_in_the_way(
    deployer: tuple[Conn, Callable[..., Conn]], monkeypatch: pytest.MonkeyPatch
) -> None:
    conn, connect = deployer
    with ending_quietly(connect()) as other:
        other.execute("SELECT FROM visits")
        slept: list[float] = []

        def commit(seconds: float) -> None:
            slept.append(seconds)
            other.commit()
            other.execute("SELECT FROM visits")

        monkeypatch.setattr(time, "sleep", commit)
        assert blockers.forecast(conn, wait_on(Mode.ACCESS_EXCLUSIVE, "visits")) == ()
        assert slept == [0.2]


def test_nothing_of_a_query_is_told(
    clinic: Conn, opened: Callable[..., Conn], database: str, at_once: None
) -> None:
    secret = "4111-1111-1111-1111"
    opened(database, f"SELECT FROM patients WHERE name = '{secret}'")
    with running(database, f"SELECT pg_sleep(30), '{secret}'"):
        text = "DROP TABLE patients; CREATE INDEX CONCURRENTLY ON visits (id)"
        until(lambda: len(forecast(clinic, text)) == 2)
        found = forecast(clinic, text)
        told = f"{found}{advice.findings(found)}{[str(one) for one in found]}"
        assert secret not in told


# ---------------------------------------------------------------- dumps


@contextmanager
def dumping(url: str, **environment: str) -> Iterator[None]:
    """Run a pg_dump whose output nobody reads, so that it does not end."""
    programs = servers.embedded().programs
    dump = subprocess.Popen(
        [programs / "pg_dump", "--dbname", url],
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], **environment},
    )
    try:
        yield
    finally:
        dump.kill()
        dump.communicate()


def test_a_running_pg_dump_is_told_by_its_name_or_by_what_it_does(
    clinic: Conn, database: str, server_major: int, at_once: None
) -> None:
    if server_major > 18:
        pytest.skip("the pg_dump of the wheel is of PostgreSQL 18")
    clinic.execute("INSERT INTO unrelated SELECT generate_series(1, 300000)")
    waits = waits_of(clinic, "ALTER TABLE patients ADD COLUMN n int; DROP TABLE part")
    for name in ("pg_dump", "nightly"):
        with dumping(database, PGAPPNAME=name):
            (found,) = until(partial(dumps, clinic, waits, name))
            assert found.why == "holds ACCESS SHARE"
            assert {"patients", "part"} <= {*found.relations}
            (warning,) = advice.findings([found])
            assert "when the dump is over" in (warning.remedy or "")


def dumps(conn: Conn, waits: list[Wait], name: str) -> list[Blocker]:
    """Return those that are told; one that has another name is a session while it asks catalogs."""
    found = [one for one in blockers.forecast(conn, waits) if one.application == name]
    return [one for one in found if one.kind is Kind.DUMP and len(one.relations) > 1]


# ---------------------------------------------------------------- prepared, and vacuum


@pytest.fixture(scope="module")
def other_server() -> Iterator[str]:
    """URL of a server that has prepared transactions and vacuums soon, and slowly where told to."""
    settings = {
        "max_prepared_transactions": "5",
        "autovacuum_naptime": "1s",
        "autovacuum_freeze_max_age": "100000",
        "autovacuum_max_workers": "2",
    }
    with servers.started(servers.embedded(), settings) as url:
        yield url


@pytest.fixture
def prepared(other_server: str) -> Iterator[Conn]:
    """A session of that server on a database with the clinic."""
    name = f"test_{time.monotonic_ns()}"
    with psycopg.connect(other_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        with psycopg.connect(other_server, dbname=name, autocommit=True) as session:
            session.execute(SCHEMA.encode())
            yield session
            for (gid,) in session.execute("SELECT gid FROM pg_prepared_xacts").fetchall():
                session.execute(pgsql.SQL("ROLLBACK PREPARED {}").format(gid))
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_a_prepared_transaction_is_in_the_way_by_its_locks_and_not_by_a_snapshot(
    prepared: Conn, at_once: None
) -> None:
    prepared.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO visits VALUES (1, 1)")
    prepared.execute("PREPARE TRANSACTION 'left ''behind'")
    said = {text: forecast(prepared, text) for text in STATEMENTS}
    prepared.execute("SET lock_timeout = '250ms'")
    for text, some in said.items():
        assert bool(some) is is_kept_waiting(prepared, text), text
    (found,) = said["ALTER TABLE visits ADD COLUMN n int"]
    assert (found.kind, found.pid, found.prepared) == (Kind.PREPARED, None, "left 'behind")
    assert (found.user, found.state) == ("postgres", "prepared")
    assert forecast(prepared, "CREATE INDEX CONCURRENTLY ON patients (name)") == ()


def test_who_waits_for_a_prepared_transaction_waits_for_no_process(prepared: Conn) -> None:
    prepared.execute("BEGIN; INSERT INTO visits VALUES (1, 1); PREPARE TRANSACTION 'left'")
    with running(prepared.info.dsn, "DROP TABLE visits CASCADE") as waiter:
        (found,) = until(lambda: blockers.waiting_for(prepared, pid_of(waiter)))
        assert (found.kind, found.prepared, found.why) == (
            Kind.PREPARED,
            "left",
            "holds ROW EXCLUSIVE",
        )


def slow_vacuum(conn: Conn, **settings: str) -> None:
    """Fill a table that autovacuum takes a minute for."""
    conn.execute("INSERT INTO unrelated SELECT generate_series(1, 100000)")
    given = {"autovacuum_vacuum_cost_delay": "100", "autovacuum_vacuum_cost_limit": "1"} | settings
    pairs = ", ".join(f"{name} = {value}" for name, value in given.items())
    conn.execute(f"ALTER TABLE unrelated SET ({pairs})".encode())


def vacuums(conn: Conn) -> bool:
    row = conn.execute(
        """SELECT EXISTS (SELECT FROM pg_stat_progress_vacuum
                          WHERE relid = 'unrelated'::regclass)"""
    ).fetchone()
    return bool(row and row[0])


def test_a_plain_autovacuum_gives_way_and_is_not_in_the_way(prepared: Conn, at_once: None) -> None:
    slow_vacuum(prepared, autovacuum_vacuum_insert_threshold="1", autovacuum_freeze_max_age="2e9")
    until(lambda: vacuums(prepared))
    assert forecast(prepared, "ALTER TABLE unrelated ADD COLUMN n int") == ()
    prepared.execute("SET lock_timeout = '300ms'")  # less than deadlock_timeout
    assert is_kept_waiting(prepared, "ALTER TABLE unrelated ADD COLUMN n int")
    assert vacuums(prepared)
    prepared.execute("SET lock_timeout = '5s'")
    assert not is_kept_waiting(prepared, "ALTER TABLE unrelated ADD COLUMN n int")


def test_an_autovacuum_against_wraparound_does_not_give_way(prepared: Conn, at_once: None) -> None:
    prepared.execute("ALTER TABLE unrelated SET (autovacuum_enabled = off)")
    slow_vacuum(prepared)
    prepared.execute(
        """CREATE TABLE burnt (n int); DO $$BEGIN
           FOR i IN 1..110000 LOOP
               BEGIN INSERT INTO burnt VALUES (i); EXCEPTION WHEN OTHERS THEN NULL; END;
           END LOOP; END$$"""
    )
    until(lambda: vacuums(prepared))
    (found,) = forecast(prepared, "ALTER TABLE unrelated ADD COLUMN n int")
    assert (found.kind, found.user) == (Kind.WRAPAROUND, None)
    assert found.why == "holds SHARE UPDATE EXCLUSIVE"
    prepared.execute("SET lock_timeout = '2s'")
    assert is_kept_waiting(prepared, "ALTER TABLE unrelated ADD COLUMN n int")
    (spared,) = ending.terminate(prepared, [found], ending.Allowed(age=0))
    assert (spared.done, vacuums(prepared)) == (False, True)
    prepared.execute("DROP ROLE IF EXISTS blind; CREATE ROLE blind; SET ROLE blind")
    (hidden,) = blockers.forecast(prepared, wait_on(Mode.ACCESS_EXCLUSIVE, "unrelated"))
    assert (hidden.kind, hidden.state) == (Kind.WRAPAROUND, None)
    prepared.execute("RESET ROLE")


# ---------------------------------------------------------------- while waiting


def test_who_keeps_a_process_waiting_is_told(
    clinic: Conn, opened: Callable[..., Conn], database: str
) -> None:
    reader = opened(database, "SELECT FROM patients", application_name="web")
    assert blockers.waiting_for(clinic, pid_of(reader)) == ()
    with running(database, "DROP TABLE patients") as waiter:
        (found,) = until(lambda: blockers.waiting_for(clinic, pid_of(waiter)))
        assert (found.pid, found.application, found.blocks) == (pid_of(reader), "web", ())
        assert found.holding == "holds ACCESS SHARE on patients"


def test_who_has_changed_the_same_row_is_told(
    clinic: Conn, opened: Callable[..., Conn], database: str
) -> None:
    clinic.execute("INSERT INTO patients VALUES (1, 'a')")
    first = opened(database, "UPDATE patients SET name = 'b'")
    with running(database, "UPDATE patients SET name = 'c'") as waiter:
        (found,) = until(lambda: blockers.waiting_for(clinic, pid_of(waiter)))
        assert (found.pid, found.holding) == (pid_of(first), "has changed the same rows")


def test_an_index_build_that_waits_tells_for_whom_and_in_which_phase(
    clinic: Conn, opened: Callable[..., Conn], database: str
) -> None:
    writer = opened(database, "INSERT INTO visits VALUES (1, 1)")
    assert progress.building(clinic, pid_of(writer)) is None
    with running(database, STATEMENTS[0], autocommit=True) as builder:
        (found,) = until(lambda: blockers.waiting_for(clinic, pid_of(builder)))
        assert (found.pid, found.why) == (pid_of(writer), "has a transaction that has to end")
        told = progress.building(clinic, pid_of(builder))
        assert str(told) == ("CREATE INDEX CONCURRENTLY: waiting for writers before build, 0 %")


def test_an_index_build_tells_how_far_it_has_come(clinic: Conn, database: str) -> None:
    clinic.execute("INSERT INTO unrelated SELECT generate_series(1, 2000)")
    clinic.execute(
        """CREATE FUNCTION slow(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
           'BEGIN PERFORM pg_sleep(0.001); RETURN n; END'"""
    )
    with running(database, "CREATE INDEX ON unrelated (slow(id))") as builder:
        # Of the first page of a table a server says that it is the last one.
        told = until(
            lambda: (
                (now := progress.building(clinic, pid_of(builder)))
                and 0 < (now.percent or 0) < 100
                and now
            )
        )
        assert (told.command, told.phase) == ("CREATE INDEX", "building index: scanning table")


def test_a_copy_tells_that_it_copies(
    clinic: Conn, opened: Callable[..., Conn], database: str, server_major: int
) -> None:
    if server_major < 14:
        pytest.skip("COPY reports no progress before PostgreSQL 14")
    loader = opened(database)
    with loader.cursor().copy("COPY visits FROM STDIN") as copy:
        copy.write("1\t1\n")
        told = until(lambda: progress.building(clinic, pid_of(loader)))
        assert (told.command, told.phase, told.percent) == ("COPY FROM", "copying", None)


# ---------------------------------------------------------------- ending


def is_alive(session: Conn) -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def test_only_those_of_the_role_that_is_named_are_terminated(
    clinic: Conn, database: str, roles: tuple[str, str], deployer: Any, at_once: None
) -> None:
    deploying, app = (psycopg.connect(database, user=role) for role in roles)
    for session in (deploying, app):
        session.execute("SELECT FROM visits")
    found = forecast(clinic, "ALTER TABLE visits ADD COLUMN n int")
    assert {one.pid for one in found} == {pid_of(deploying), pid_of(app)}
    (ended,) = ending.terminate(clinic, found, ending.parse(roles[1]))
    assert (ended.done, ended.blocker.pid) == (True, pid_of(app))
    assert ended.line.startswith(f"terminated: process {pid_of(app)} ({roles[1]})")
    assert (is_alive(deploying), is_alive(app)) == (True, False)
    deploying.close()
    app.close()


def test_only_those_of_the_age_that_is_named_are_terminated(
    clinic: Conn, opened: Callable[..., Conn], database: str, at_once: None
) -> None:
    old = opened(database, "SELECT FROM visits")
    time.sleep(0.6)
    young = opened(database, "SELECT FROM visits")
    found = forecast(clinic, "ALTER TABLE visits ADD COLUMN n int")
    ended = ending.terminate(clinic, found, ending.parse("500ms"))
    assert [(one.blocker.pid, one.done) for one in ended] == [(pid_of(old), True)]
    assert (is_alive(old), is_alive(young)) == (False, True)


def test_a_session_that_has_moved_on_is_not_terminated(
    clinic: Conn, opened: Callable[..., Conn], database: str, at_once: None
) -> None:
    session = opened(database, "SELECT FROM visits")
    time.sleep(0.5)
    found = forecast(clinic, "ALTER TABLE visits ADD COLUMN n int")
    session.commit()
    session.execute("SELECT FROM visits")
    (ended,) = ending.terminate(clinic, found, ending.parse("postgres"))
    assert (ended.done, is_alive(session)) == (False, True)
    assert ended.line.endswith("it was gone already")


def test_what_the_role_may_not_terminate_is_said(
    clinic: Conn, opened: Callable[..., Conn], database: str, deployer: Any, roles: tuple[str, str]
) -> None:
    conn, connect = deployer
    clinic.execute(pgsql.SQL("GRANT pg_signal_backend TO {}").format(pgsql.Identifier(roles[0])))
    superuser = opened(database, "SELECT FROM visits")
    with ending_quietly(connect()) as app:
        app.execute("SELECT FROM visits")
        found = blockers.forecast(conn, wait_on(Mode.ACCESS_EXCLUSIVE, "visits"))
        (refused,) = ending.terminate(conn, found, ending.parse("postgres"))
        assert (refused.done, is_alive(superuser)) == (False, True)
        assert f": role {roles[0]} may not: it takes pg_signal_backend" in refused.line
        assert "\n" not in refused.line
        assert ending.terminate(conn, found, ending.parse("0s")) == []  # no age is known
        (ended,) = ending.terminate(conn, found, ending.parse(roles[1]))
        assert (ended.done, is_alive(app)) == (True, False)


def test_a_prepared_transaction_is_no_session_to_terminate(prepared: Conn, at_once: None) -> None:
    prepared.execute("BEGIN; INSERT INTO visits VALUES (1, 1); PREPARE TRANSACTION 'left'")
    found = forecast(prepared, "ALTER TABLE visits ADD COLUMN n int")
    (spared,) = ending.terminate(prepared, found, ending.parse("postgres"))
    assert not spared.done
    assert "ROLLBACK PREPARED" in spared.line


def test_a_role_that_is_not_there_is_refused_with_the_nearest(conn: Conn) -> None:
    ending.check(conn, ending.parse("postgres"))
    ending.check(conn, ending.parse("10m"))
    with pytest.raises(Exception, match="there is no role postgre; did you mean postgres"):
        ending.check(conn, ending.parse("postgre"))


# ---------------------------------------------------------------- plan and apply


@pytest.fixture
def release(migsafe: Callable[..., Called], workdir: Path, database: str) -> Callable[..., Called]:
    """Run a command on a history of three, of which the first is applied."""
    folder = workdir / "migrations"
    folder.mkdir()
    (folder / "1_a.sql").write_text(SCHEMA, "utf-8")

    def call(command: str, *options: str) -> Called:
        by = ("--url", database, "--migrations", "migrations", "--no-derived")
        return migsafe(*command.split(), *by, *options)

    assert call("apply --yes").code == 0
    (folder / "2_b.sql").write_text("ALTER TABLE patients ADD COLUMN n int;\n", "utf-8")
    (folder / "3_c.sql").write_text("CREATE INDEX CONCURRENTLY c ON visits (id);\n", "utf-8")
    return call


def test_a_plan_says_who_is_in_the_way_of_which_migration(
    release: Callable[..., Called], opened: Callable[..., Conn], database: str, at_once: None
) -> None:
    reader = opened(database, "SELECT FROM patients", application_name="web")
    report = release("plan --format json").report
    assert [(one.pid, [b.migration for b in one.blocks]) for one in report.blockers] == [
        (pid_of(reader), ["2_b"])
    ]
    (warning,) = (found for found in report.findings if found.code == "MS147")
    assert (warning.migration, warning.severity, warning.line) == ("2_b", "warning", 1)
    assert report.exit_code == 0
    for form in ("text", "markdown"):
        told = " ".join(release(f"plan --format {form}").out.split())
        assert f"process {pid_of(reader)} (postgres, web)" in told
        assert "holds ACCESS SHARE" in told


def test_a_schema_that_cannot_be_read_says_who_keeps_everybody_out(
    release: Callable[..., Called], opened: Callable[..., Conn], database: str
) -> None:
    holder = opened(database, "ALTER TABLE visits ADD COLUMN other int")
    called = release("plan")
    assert called.code == 4
    assert f"process {pid_of(holder)} (postgres): idle in transaction" in called.err
    assert "holds ACCESS EXCLUSIVE on visits" in called.err


def test_a_plan_of_an_idle_database_says_nothing_of_blockers(
    release: Callable[..., Called], at_once: None
) -> None:
    called = release("plan --format json")
    assert json_of(called)["blockers"] == []
    assert not [found for found in called.report.findings if found.code == "MS147"]
    assert "in the way" not in release("plan").out


def json_of(called: Called) -> dict[str, Any]:
    return dict(msgspec.json.decode(called.out))


def test_an_apply_that_gets_through_keeps_the_forecast_and_does_not_list_it(
    release: Callable[..., Called], opened: Callable[..., Conn], database: str, at_once: None
) -> None:
    reader = opened(database, "SELECT FROM patients")
    threading.Timer(0.7, reader.rollback).start()
    called = release("apply --yes --format json")
    assert called.code == 0, called
    assert [one.pid for one in called.report.blockers] == [pid_of(reader)]
    assert [found.code for found in called.report.findings if found.code == "MS147"] == ["MS147"]


def test_the_gate_may_refuse_to_begin_where_somebody_is_in_the_way(
    release: Callable[..., Called],
    opened: Callable[..., Conn],
    database: str,
    conn: Conn,
    at_once: None,
) -> None:
    opened(database, "SELECT FROM patients")
    assert release("apply --to 2_b --yes --gate warning").code == 1
    row = conn.execute("SELECT count(*) FROM migsafe.migrations").fetchone()
    assert row == (1,)
