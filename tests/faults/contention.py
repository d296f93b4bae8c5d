"""A deployment beside other sessions: whom it waits for, and how long anybody waits behind it."""

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import conninfo

from tests.conftest import database_url
from tests.faults import others, processes
from tests.faults.others import OTHERS, Connection, Probe
from tests.faults.processes import Ended, Process
from tests.faults.recovery import Person

#: Seconds for which our strong locks queue in these trials, and in which a run may be stopped.
LOCK_TIMEOUT = 0.3
_LIMIT = 60.0

#: Seconds that another session may wait behind us.
BEARABLE = LOCK_TIMEOUT + 0.2

#: Seconds for which the others stay once the deployment waits: longer than one attempt.
_STAY = 0.9


@dataclass(frozen=True, slots=True)
class Migration:
    """One statement, whom it waits for, and a question that is true once it is in effect."""

    sql: str
    effect: str
    waits: frozenset[str]
    #: Whether it waits without being waited for, as long as it takes.
    patient: bool = True


_INDEX = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('{}')"
_OPEN = frozenset({"an idle reader", "a long query", "pg_dump", "an idle writer", "maintenance"})
_SNAPSHOTS = frozenset(
    {"a long query", "pg_dump", "an old snapshot", "an idle writer", "maintenance"}
)

MIGRATIONS: Mapping[str, Migration] = {
    "ALTER TABLE": Migration(
        "ALTER TABLE visits ADD COLUMN note text",
        "SELECT true FROM pg_attribute WHERE attrelid = 'visits'::regclass AND attname = 'note'",
        _OPEN,
        patient=False,
    ),
    "CREATE INDEX CONCURRENTLY": Migration(
        "CREATE INDEX CONCURRENTLY visits_patient ON visits (patient)",
        _INDEX.format("visits_patient"),
        _SNAPSHOTS,
    ),
    "REINDEX CONCURRENTLY": Migration(
        "REINDEX INDEX CONCURRENTLY visits_at", _INDEX.format("visits_at"), _OPEN | _SNAPSHOTS
    ),
    "DROP INDEX CONCURRENTLY": Migration(
        "DROP INDEX CONCURRENTLY visits_at", "SELECT to_regclass('visits_at') IS NULL", _OPEN
    ),
    "VALIDATE CONSTRAINT": Migration(
        "ALTER TABLE visits VALIDATE CONSTRAINT positive",
        "SELECT convalidated FROM pg_constraint WHERE conname = 'positive'",
        frozenset({"maintenance"}),
    ),
    "REFRESH CONCURRENTLY": Migration(
        "REFRESH MATERIALIZED VIEW CONCURRENTLY counted", "SELECT true", frozenset({"maintenance"})
    ),
    "DETACH CONCURRENTLY": Migration(
        "ALTER TABLE parts DETACH PARTITION part CONCURRENTLY",
        "SELECT NOT relispartition FROM pg_class WHERE relname = 'part'",
        _OPEN,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contended:
    """What came of one deployment beside others."""

    ended: Ended
    #: Whether it had to wait for them.
    waited: bool
    attempts: int
    in_effect: bool
    #: Seconds that another session waited behind it at most.
    worst: float
    invalid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A database with a schema, and a history in a folder whose first migration has made it."""

    folder: Path
    url: str
    server: str

    @property
    def person(self) -> Person:
        """Somebody who calls migsafe in this process."""
        return Person(
            folder=self.folder, options=(*_OPTIONS, "--url", self.url, "--shadow", self.server)
        )

    def add(self, text: str) -> None:
        """Append a migration to the history."""
        number = len(list((self.folder / "migrations").iterdir())) + 1
        (self.folder / "migrations" / f"{number:04}_m.sql").write_text(text, "utf-8")

    def limit(self, **limits: object) -> None:
        """Write the config: how long to queue, and how often."""
        given = {"lock_timeout": f"{round(LOCK_TIMEOUT * 1000)}ms", **limits}
        lines = "".join(f"{key} = {_toml(value)}\n" for key, value in given.items())
        config = f"[env.here]\nurl = {_toml(self.url)}\n{lines}"
        (self.folder / "migsafe.toml").write_text(config, "utf-8")

    def deploy(self, *options: str) -> Process:
        """Start an apply in a process of its own."""
        call = ("apply", *_OPTIONS, "--gate", "never", "--shadow", "none", "--format", "json")
        return processes.start((*call, *options), self.folder)

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Yield an autocommit session on the database."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            yield conn

    def ask(self, query: str) -> object:
        """Return the first column of the only row of an answer; None where it has no row."""
        with self.connected() as conn:
            row = conn.execute(query.encode()).fetchone()
        return row[0] if row else None


_OPTIONS = ("--migrations", "migrations", "-e", "here")


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


@contextmanager
def rig(server: str, folder: Path, schema: str = others.SCHEMA) -> Iterator[Rig]:
    """Make a database, and apply a first migration to it."""
    with _database(server) as url:
        made = _laid_out(server, folder, url)
        made.add(schema)
        ended = made.person.call("apply", "--gate", "never")
        assert ended.code == 0, ended
        yield made


@contextmanager
def copy(of: Rig, folder: Path) -> Iterator[Rig]:
    """Copy a rig that nobody is connected to, which is cheaper than another one."""
    template = str(conninfo.conninfo_to_dict(of.url)["dbname"])
    with _database(of.server, template) as url:
        made = _laid_out(of.server, folder, url)
        for file in (of.folder / "migrations").iterdir():
            made.add(file.read_text("utf-8"))
        yield made


def _laid_out(server: str, folder: Path, url: str) -> Rig:
    (folder / "migrations").mkdir(parents=True)
    made = Rig(folder=folder, url=url, server=server)
    made.limit(attempts=20)
    return made


@contextmanager
def _database(server: str, template: str = "template1") -> Iterator[str]:
    """Create a database, by a connection that need not outlive a restart; drop it at the end."""
    name = f"faults_{uuid.uuid4().hex[:12]}"
    _run(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield database_url(server, name)
    finally:
        _run(server, f"DROP DATABASE {name} WITH (FORCE)")


def _run(server: str, statement: str) -> None:
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(statement.encode())


_WAITING = """
    SELECT true FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'migsafe' AND state = 'active'
      AND wait_event_type = 'Lock'"""

INVALID = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"


def waits_or_ended(rig: Rig, process: Process) -> bool:
    """Wait until a deployment waits for others, and return True; False where it has ended."""
    with rig.connected() as watch:
        others.until(lambda: not process.runs or watch.execute(_WAITING.encode()).fetchone())
    return process.runs


def trial(rig: Rig, migration: str, other: str) -> Contended:
    """Deploy one migration beside another session, which leaves in the middle."""
    made = MIGRATIONS[migration]
    rig.add(made.sql)
    with Probe(rig.url) as probe:
        with OTHERS[other](rig.url):
            process = rig.deploy()
            waited = waits_or_ended(rig, process)
            if waited:
                time.sleep(_STAY)
        ended = process.wait(_LIMIT)
    in_effect = rig.ask(made.effect) not in (None, False)
    return _contended(rig, ended, probe, waited=waited, in_effect=in_effect)


#: Migrations that need locks on more than one table, and have `unrelated` by then.
SEVERAL = {
    "several ALTER TABLE": "ALTER TABLE unrelated ADD a int; ALTER TABLE patients ADD a int;"
    "ALTER TABLE visits ADD a int; ALTER TABLE ballast ADD a int;",
    "TRUNCATE of several tables": "TRUNCATE unrelated, patients, visits, ballast;",
}


def one_by_one(rig: Rig, migration: str) -> Contended:
    """Deploy beside readers of one table each, who leave in turn and within lock_timeout."""
    rig.add(SEVERAL[migration])
    with Probe(rig.url, "SELECT FROM unrelated") as probe, ExitStack() as stack:
        readers = [stack.enter_context(reading(rig, t)) for t in ("patients", "visits", "ballast")]
        process = rig.deploy()
        waited = waits_or_ended(rig, process)
        for reader in readers:
            time.sleep(0.7 * LOCK_TIMEOUT)
            reader.close()
        ended = process.wait(_LIMIT)
    return _contended(rig, ended, probe, waited=waited, in_effect=ended.code == 0)


def partition_read(rig: Rig) -> Contended:
    """Detach a partition that somebody reads, who does not use its parent."""
    made = MIGRATIONS["DETACH CONCURRENTLY"]
    rig.add(made.sql)
    with Probe(rig.url, "SELECT FROM part") as probe:
        with reading(rig, "part"):
            process = rig.deploy()
            waited = waits_or_ended(rig, process)
            time.sleep(5 * LOCK_TIMEOUT)
        ended = process.wait(_LIMIT)
    in_effect = rig.ask(made.effect) is True
    return _contended(rig, ended, probe, waited=waited, in_effect=in_effect)


@contextmanager
def reading(rig: Rig, table: str) -> Iterator[Connection]:
    """Stay idle in a transaction that has read a table, until the block or the session ends."""
    with closing(psycopg.connect(rig.url)) as conn:
        conn.execute(f"SELECT FROM {table}".encode())
        yield conn


def _contended(rig: Rig, ended: Ended, probe: Probe, *, waited: bool, in_effect: bool) -> Contended:
    assert ended.report, ended
    assert probe.errors == []
    return Contended(
        ended=ended,
        waited=waited,
        attempts=max((step.attempts for step in ended.report.steps), default=0),
        in_effect=in_effect,
        worst=probe.worst,
        invalid=int(str(rig.ask(INVALID))),
    )
