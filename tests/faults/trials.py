"""One trial: a deployment from an empty database, a fault at one step of it, and the recovery."""

import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo

from migsafe.errors import ExitCode
from tests.cli import databases
from tests.conftest import database_url
from tests.faults import judge, processes
from tests.faults.judge import Connection, Photograph
from tests.faults.processes import Ended, Hang, Process
from tests.faults.proxy import Link, Moment, Proxy, Step, Trap
from tests.faults.recovery import Person, Recovery
from tests.faults.scenarios import PAUSE, Cell

#: Seconds that a run may take, whatever happens to it, before it is called a hang.
LIMIT = 30.0

#: Seconds that the server may take to let go of everything.
_PATIENCE = 30.0

_LEFT = """
    SELECT (SELECT count(*) FROM pg_stat_activity
            WHERE datname = %(name)s AND backend_type = 'client backend')
         + (SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
            WHERE d.datname = %(name)s AND l.locktype = 'advisory')"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A cell on a server: its files, a database, and what is right after each migration."""

    cell: Cell
    folder: Path
    server: str
    database: str
    stages: Sequence[Photograph]
    #: The requests of a deployment that nothing disturbs.
    course: Sequence[Step] = ()

    @property
    def name(self) -> str:
        """The database's name."""
        return str(conninfo.conninfo_to_dict(self.database)["dbname"])

    @property
    def person(self) -> Person:
        """Somebody who calls migsafe with a direct connection."""
        shadow = ("--shadow", self.server)
        return Person(folder=self.folder, options=(*_OPTIONS, "--url", self.database, *shadow))

    def upstream(self) -> socket.socket:
        """Connect to the server as a proxy does."""
        return _connected(conninfo.conninfo_to_dict(self.database))

    def through(self, proxy: Proxy) -> str:
        """Return the URL of the database behind a proxy."""
        user = conninfo.conninfo_to_dict(self.database)["user"]
        return (
            f"postgresql://{user}@127.0.0.1:{proxy.port}/{self.name}"
            "?sslmode=disable&gssencmode=disable&connect_timeout=2"
        )

    def deploy(self, proxy: Proxy) -> Process:
        """Start an apply that talks to the proxy."""
        call = ("apply", *_OPTIONS, "--gate", "never", "--shadow", "none", "--format", "json")
        return processes.start((*call, "--url", self.through(proxy)), self.folder, hasty=True)

    def undisturbed(self) -> list[Step]:
        """Deploy to an empty database, and return the requests of that."""
        databases.empty(self.database)
        with Proxy(upstream=self.upstream) as proxy:
            ended = self.deploy(proxy).wait(LIMIT)
        assert ended.code == ExitCode.OK, ended
        return proxy.steps

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Yield a session on the database, beside migsafe's own."""
        with psycopg.connect(self.database, autocommit=True) as conn:
            yield conn

    def await_free(self, since: float) -> float:
        """Wait until no session is left; return the seconds since a moment."""
        deadline = time.monotonic() + _PATIENCE
        with psycopg.connect(self.server, autocommit=True) as admin:
            while admin.execute(_LEFT, {"name": self.name}).fetchone() != (0,):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.005)
        return time.monotonic() - since


#: The files are below the folder in which migsafe runs.
_OPTIONS = ("--migrations", "migrations")


def _connected(where: dict[str, Any]) -> socket.socket:
    host, port = str(where["host"]), int(where.get("port") or 5432)
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    upstream = socket.socket(socket.AF_UNIX)
    try:
        upstream.connect(f"{host}/.s.PGSQL.{port}")
    except OSError:
        upstream.close()
        raise
    return upstream


@contextmanager
def bench(cell: Cell, server: str, folder: Path) -> Iterator[Bench]:
    """Lay a cell out in a folder, with a database of its own."""
    cell.lay_out(folder / "migrations")
    name = f"faults_{uuid.uuid4().hex[:12]}"
    _run(server, f"CREATE DATABASE {name}")
    database = database_url(server, name)
    try:
        with psycopg.connect(database, autocommit=True) as conn:
            taken = judge.stages(conn, cell)
        made = Bench(cell=cell, folder=folder, server=server, database=database, stages=taken)
        yield replace(made, course=made.undisturbed())
    finally:
        _run(server, f"DROP DATABASE {name} WITH (FORCE)")


def _run(server: str, statement: str) -> None:
    """Run a statement on a connection that need not outlive a restart."""
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(statement.encode())


# ---------------------------------------------------------------- one trial

#: What a trap does with the connection whose request sprang it.
Act = Callable[[Link], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is done to a run at one moment of one step."""

    step: Step
    moment: Moment
    act: Callable[["Running"], "Act"]
    loses: bool = True
    delay: float = 0.0
    #: Seconds that the statements take which are made to take a while; None for 0.1.
    pause: float | None = None
    #: Whether somebody deploys again at once, without waiting for the server.
    eager: bool = False


@dataclass(slots=True, kw_only=True)
class Running:
    """A run under way."""

    bench: Bench
    proxy: Proxy
    process: Process | None = None


@dataclass(slots=True, kw_only=True)
class Trial:
    """What came of one fault."""

    fault: Fault
    sprung: bool = False
    #: How the disturbed run ended; None where it hung.
    ended: Ended | None = None
    #: Seconds from the fault to the end of the run, and until the server was free of it.
    seconds: float = 0.0
    free: float | None = None
    recovery: Recovery = field(default_factory=Recovery)
    wrong: list[str] = field(default_factory=list)
    cautious: bool = False
    invalid: int = 0
    recovered: bool = False

    @property
    def hung(self) -> bool:
        """Whether the run did not end in time."""
        return self.ended is None

    def __str__(self) -> str:
        """Say all that a person needs to look into it."""
        step = self.fault.step
        code = self.ended.code if self.ended else "hang"
        return (
            f"{step.connection}.{step.number} {self.fault.moment} {step.text[:60]!r}: {code}; "
            f"{self.recovery}; {'; '.join(self.wrong)}{'' if self.recovered else ' NOT RECOVERED'}"
        )


def run(bench: Bench, fault: Fault) -> Trial:
    """Disturb one deployment, judge what it said, recover, and judge the end."""
    trial = Trial(fault=fault)
    databases.empty(bench.database)
    with _paused(bench, fault.pause):
        _disturb(bench, trial)
    if trial.sprung and not fault.eager:
        _judge(bench, trial)
    _recover(bench, trial)
    return trial


@contextmanager
def _paused(bench: Bench, seconds: float | None) -> Iterator[None]:
    """Let some statements take so many seconds in sessions that begin inside."""
    if seconds is None:
        yield
        return
    _run(bench.server, f"ALTER DATABASE {bench.name} SET {PAUSE} = '{seconds}'")
    yield
    _run(bench.server, f"ALTER DATABASE {bench.name} RESET {PAUSE}")


def _disturb(bench: Bench, trial: Trial) -> None:
    fault = trial.fault
    with Proxy(upstream=bench.upstream) as proxy:
        running = Running(bench=bench, proxy=proxy)
        proxy.trap = trap = Trap(
            connection=fault.step.connection,
            number=fault.step.number,
            moment=fault.moment,
            act=fault.act(running),
            loses=fault.loses,
            delay=fault.delay,
        )
        running.process = bench.deploy(proxy)
        try:
            trial.ended = running.process.wait(LIMIT)
        except Hang as hang:
            trial.wrong.append(str(hang))
        ended = time.monotonic()
        trial.sprung = bool(trap.at) and trap.sprung.wait(_PATIENCE)
        trial.seconds = ended - trap.at if trial.sprung else 0.0
        if trial.ended and trial.ended.code < 0 and not fault.eager:
            trial.free = bench.await_free(trap.at)
    if not fault.eager:
        waited = bench.await_free(ended)
        trial.free = waited if trial.free is None else trial.free


def _judge(bench: Bench, trial: Trial) -> None:
    """Hold what the run said, and what it recorded, against the database."""
    with bench.connected() as conn:
        state = judge.read(conn, bench.cell, bench.stages)
    trial.wrong += judge.disagreements(state)
    if trial.ended and trial.ended.code >= 0:
        trial.wrong += judge.untrue(trial.ended, state)
        trial.cautious = judge.cautious(trial.ended, state)


def _recover(bench: Bench, trial: Trial) -> None:
    person, deadline = bench.person, time.monotonic() + _PATIENCE
    trial.recovery = person.recover()
    while trial.recovery.calls[-1][1] == ExitCode.BUSY and time.monotonic() < deadline:
        time.sleep(0.05)
        trial.recovery = person.recover()
    with bench.connected() as conn:
        state = judge.read(conn, bench.cell, bench.stages)
    trial.invalid = state.invalid
    last = trial.recovery.calls[-1]
    trial.wrong += _claimed(last, state, len(bench.stages) - 1)
    standing = person.call("status").code
    trial.recovered = (
        state.stage == len(bench.stages) - 1
        and not (state.accounts.open or state.accounts.wrong(state.applied) or state.invalid)
        and standing == ExitCode.OK
    )


def _claimed(last: tuple[str, int], state: judge.State, total: int) -> list[str]:
    if last[1] != ExitCode.OK or state.stage == total:
        return []
    return [f"{last[0]} ended with 0: {' | '.join(state.differs[:3])}"]
