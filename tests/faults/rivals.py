"""Many deployments of the same history at once, and whether each migration ran exactly once."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path

import psycopg

from migsafe import ledger
from migsafe.errors import ExitCode
from tests.cli import databases
from tests.faults import judge, processes
from tests.faults.judge import Photograph
from tests.faults.processes import Ended
from tests.faults.scenarios import KINDS, Cell

#: Seconds that the last of many may take; each is slower, the fewer processors there are.
LIMIT = 180.0

#: How many migrations the database has at the beginning; all of them are fewer than so many.
STATES = {"empty": 0, "behind": 2, "current": 1000}

_SESSIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'migsafe'"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """So many deployers at once; those that wait begin when the last of them is there."""

    count: int
    state: str
    cell: Cell
    waits: bool
    #: Whether somebody ends the session that holds the lock, again and again.
    unsettled: bool = False

    @property
    def before(self) -> list[str]:
        """The migrations that are applied before anybody begins."""
        return list(self.cell.migrations)[: STATES[self.state]]

    @property
    def after(self) -> list[str]:
        """Those that are left to the deployers."""
        return list(self.cell.migrations)[STATES[self.state] :]

    def __str__(self) -> str:
        """Name what is worth telling apart."""
        how = "with --lock-wait" if self.waits else "without"
        lost = ", locks are lost" if self.unsettled else ""
        return f"{self.count} deployers, {self.state}, {self.cell.title}, {how}{lost}"


@dataclass(slots=True, kw_only=True)
class Result:
    """What a race came to."""

    race: Race
    codes: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    #: How many sessions that held the lock were ended.
    lost: int = 0


def races(counts: Sequence[int], states: Sequence[str]) -> Iterator[Race]:
    """Yield every race; those that wait have CREATE INDEX CONCURRENTLY among the migrations."""
    for count, state, kind, waits in product(counts, states, KINDS, (False, True)):
        cell = Cell("concurrently" if waits else "in transactions", kind)
        yield Race(count=count, state=state, cell=cell, waits=waits)


def unsettled(counts: Sequence[int]) -> Iterator[Race]:
    """Yield races in which the lock is lost all the time."""
    for count, scenario, kind in product(counts, ("in transactions", "concurrently"), KINDS):
        cell = Cell(scenario, kind)
        yield Race(count=count, state="empty", cell=cell, waits=True, unsettled=True)


def run(race: Race, database: str, folder: Path) -> Result:
    """Let the deployers loose on a database, and judge what they said and did."""
    final = _final(race.cell, database)
    databases.empty(database)
    result = Result(race=race)
    with psycopg.connect(database, autocommit=True) as conn:
        _prepare(race, database, folder)
        with _unsettling(race, database, result):
            ended = _deployed(race, database, folder, conn)
        result.codes.update(one.code for one in ended)
        if race.unsettled:  # all of them may have lost it
            place = _checkout(race.cell, folder / "after")
            ended.append(processes.start(_call(database), place).wait(LIMIT))
        result.wrong = [*_untrue(race, ended), *_undone(race, conn, final)]
    return result


@contextmanager
def _unsettling(race: Race, database: str, result: Result) -> Iterator[None]:
    """End the session of ours that holds the lock about three times a second, where wanted."""
    over = threading.Event()
    thread = threading.Thread(target=_unsettle, args=(database, result, over))
    if race.unsettled:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if race.unsettled:
            thread.join()


def _unsettle(database: str, result: Result, over: threading.Event) -> None:
    chance = random.Random(str(result.race))
    with psycopg.connect(database, autocommit=True) as conn:
        while not over.wait(chance.uniform(0.1, 0.5)):
            result.lost += len(conn.execute(_END, [ledger.LOCK]).fetchall())


_END = """
    SELECT pg_terminate_backend(a.pid)
    FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
    WHERE l.locktype = 'advisory' AND (classid::bigint << 32 | objid::bigint) = %s
      AND application_name = 'migsafe' AND datname = current_database()"""


@cache
def _final(cell: Cell, database: str) -> Photograph:
    """Return what is right in the end, and leave the database so."""
    databases.empty(database)
    with psycopg.connect(database, autocommit=True) as conn:
        return judge.stages(conn, cell)[-1]


def _prepare(race: Race, database: str, folder: Path) -> None:
    """Apply what the database has at the beginning."""
    if race.before:
        place = _checkout(race.cell, folder / "before")
        ended = processes.start(_call(database, "--to", race.before[-1]), place).wait(LIMIT)
        assert ended.code == ExitCode.OK, ended


def _checkout(cell: Cell, folder: Path) -> Path:
    cell.lay_out(folder / "migrations")
    return folder


def _call(database: str, *more: str) -> list[str]:
    options = ["--migrations", "migrations", "--url", database, "--format", "json", *more]
    return ["apply", "--gate", "never", "--shadow", "none", *options]


def _deployed(
    race: Race, database: str, folder: Path, conn: psycopg.Connection[tuple[object, ...]]
) -> list[Ended]:
    """Start all, and wait for all; those that wait are kept out until the last is there."""
    more = ("--lock-wait", f"{LIMIT:g}s") if race.waits else ()
    if race.waits:
        conn.execute("SELECT pg_advisory_lock(%s)", [ledger.LOCK])
    started = [
        processes.start(_call(database, *more), _checkout(race.cell, folder / str(number)))
        for number in range(race.count)
    ]
    if race.waits:
        _await(conn, 2 * race.count)
        conn.execute("SELECT pg_advisory_unlock_all()")
    return [process.wait(LIMIT) for process in started]


def _await(conn: psycopg.Connection[tuple[object, ...]], sessions: int) -> None:
    until = time.monotonic() + LIMIT
    while conn.execute(_SESSIONS).fetchone() != (sessions,):
        assert time.monotonic() < until, "not all deployers came as far as the lock"
        time.sleep(0.05)


def _untrue(race: Race, ended: Sequence[Ended]) -> Iterator[str]:
    """Yield what the deployers said that is not as documented, or not so."""
    for one in ended:
        if one.code not in _allowed(race):
            yield f"exit {one.code}: {one.err[-300:]}"
        if one.code == ExitCode.BUSY and not race.unsettled and "server process " not in one.err:
            yield f"exit 4 without the process: {one.err[-300:]}"
    if all(one.code for one in ended):
        yield "nobody deployed"
    reports = [one.report for one in ended]
    done = Counter(
        step.migration
        for report in reports
        for step in (report.steps if report else ())
        if step.outcome == "done"
    )
    if done != Counter(race.after):
        yield f"the reports call done: {dict(done)}"


def _allowed(race: Race) -> tuple[ExitCode, ...]:
    """Return the codes that a deployer may end with; who never had the lock may lose its server."""
    if race.unsettled:
        return (ExitCode.OK, ExitCode.BUSY, ExitCode.UNREACHABLE)
    return (ExitCode.OK,) if race.waits else (ExitCode.OK, ExitCode.BUSY)


def _undone(
    race: Race, conn: psycopg.Connection[tuple[object, ...]], final: Photograph
) -> Iterator[str]:
    """Yield how the database differs from one on which each migration ran once."""
    now = judge.photograph(conn)
    if now != final:
        yield f"too much: {set(now) - set(final)}, too little: {set(final) - set(now)}"
    yield from judge.accounts(conn, race.cell.kind).wrong(list(race.cell.migrations))
    for title, query in _LEFT.items():
        if (left := conn.execute(query.encode()).fetchone()) != (0,):
            yield f"{left} {title} left"


_LEFT = {
    "locks": """
        SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())""",
    "INVALID indexes": "SELECT count(*) FROM pg_index WHERE NOT indisvalid",
    "sessions": _SESSIONS,
}
