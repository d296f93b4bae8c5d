"""Commands behind a pooler that shares backends: refused, and nobody's backend is any different."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import psycopg

from migsafe.errors import ExitCode
from tests.cli import databases
from tests.faults import bouncing, judge, swapping
from tests.faults.bouncing import Pool
from tests.faults.processes import Ended
from tests.faults.recovery import Person
from tests.faults.scenarios import Cell
from tests.faults.swapping import Habits

CELL = Cell("in transactions", "prisma")

#: Every command that connects to the target.
COMMANDS = (
    ("apply", "--gate", "never"),
    ("status",),
    ("plan",),
    ("audit",),
    ("verify",),
    ("baseline",),
    ("baseline", "--write"),
    ("resolve", "--applied", next(iter(CELL.migrations))),
)

#: The beginning of a release; on an empty database, no audit is asked.
FIRST = (*COMMANDS[0], "--to", next(iter(CELL.migrations)))

#: A release, where all is well.
RELEASE = (("plan",), FIRST, COMMANDS[0], ("verify",), ("status",), ("audit",))

#: In session mode: the session of a run, the one that holds its locks, the one of its audits, and
#: one to ask beside each of them in turn.
ROOM = 4

MODES, SIZES, TRAFFIC = ("transaction", "statement"), (1, 2, 5), (0, 2)

#: What a session of ours would leave on a backend.
LEFT = """
    SELECT coalesce(string_agg(name || ' = ' || setting, ', ' ORDER BY name), 'nothing')
           || (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory')
    FROM pg_settings WHERE source = 'session' AND name IN (
        'client_connection_check_interval', 'default_transaction_read_only',
        'idle_in_transaction_session_timeout', 'idle_session_timeout', 'lock_timeout',
        'search_path', 'statement_timeout')"""

_CREATED = """
    SELECT (SELECT count(*) FROM pg_class WHERE oid >= 16384)
         + (SELECT count(*) FROM pg_namespace WHERE oid >= 16384 AND nspname <> 'public')"""

_LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"

#: A pooler at work: the URL of the database behind it, and what is left on its backends now.
Ran = tuple[str, Callable[[], Sequence[object]]]


def habits(mode: str, *, relays: bool) -> Iterator[Habits]:
    """Yield the stand-ins of a mode; those with traffic have all their backends."""
    for size, order in product(SIZES, swapping.ORDERS):
        for traffic, cold in ((0, False), (0, True), (2, False)):
            yield Habits(
                mode=mode, size=size, order=order, relays=relays, cold=cold, traffic=traffic
            )


def pools(mode: str) -> Iterator[Pool]:
    """Yield the configurations of PgBouncer in a mode."""
    for size, in_turn, traffic in product(SIZES, (False, True), TRAFFIC):
        yield Pool(mode=mode, size=size, round_robin=in_turn, traffic=traffic)


@contextmanager
def running(pooler: Habits | Pool, database: str) -> Iterator[Ran]:
    """Run a stand-in, or PgBouncer."""
    if isinstance(pooler, Pool):
        with bouncing.bouncing(pooler, database) as url:
            yield url, lambda: _left(pooler, url)
    else:
        with swapping.swapping(pooler, database) as (process, url):
            yield url, lambda: [said for said in process.asked(LEFT) if b"nothing0" not in said]


def _left(pool: Pool, url: str) -> list[object]:
    """Ask each backend in a transaction that holds it; where none is allowed, ask often enough."""
    with ExitStack() as stack:
        if pool.mode == "statement":
            conn = stack.enter_context(_client(url, autocommit=True))
            said = [conn.execute(LEFT).fetchone() for _ in range(4 * pool.size)]
        else:
            conns = [stack.enter_context(_client(url, autocommit=False)) for _ in range(pool.size)]
            said = [conn.execute(LEFT).fetchone() for conn in conns]
    return [row for row in said if row != ("nothing0",)]


def _client(url: str, *, autocommit: bool) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(url, prepare_threshold=None, autocommit=autocommit)


@dataclass(slots=True, kw_only=True)
class Campaign:
    """Commands behind poolers on one database, and what they came to."""

    folder: Path
    server: str
    database: str
    #: Whether everything is called behind each of them, and not only behind those of two backends.
    whole: bool = False
    codes: Counter[int] = field(default_factory=Counter)
    #: Those that were not refused as they must be, with all that a person needs to look into it.
    wrong: list[str] = field(default_factory=list)

    def lay_out(self) -> None:
        """Write the migrations, and an audit, which is asked on a session of its own."""
        CELL.lay_out(self.folder / "migrations")
        (self.folder / "audits").mkdir()
        (self.folder / "audits" / "none.sql").write_text("SELECT 1 AS id WHERE false;\n", "utf-8")

    def person(self, url: str) -> Person:
        """Return somebody who calls migsafe on a URL, with a shadow beside."""
        options = ("--migrations", "migrations", "--shadow", self.server, "--url", url)
        return Person(folder=self.folder, options=options)

    def commands(self, pooler: Habits | Pool) -> Sequence[Sequence[str]]:
        """Return what is called behind a pooler."""
        return COMMANDS if self.whole or pooler.size == 2 else COMMANDS[:2]

    def refuse(self, poolers: Iterable[Habits | Pool]) -> None:
        """Call commands behind each of them."""
        for pooler in poolers:
            cold = isinstance(pooler, Habits) and pooler.cold
            called = self.commands(pooler)
            for together in [(one,) for one in called] if cold else [called]:
                with running(pooler, self.database) as (url, left):
                    for command in together:
                        ended = self.person(url).call(*command)
                        same = not (left() or self._created())
                        self._judge(f"{pooler}: {command[0]}", ended, same=same)

    def release(self, pooler: Habits | Pool) -> None:
        """Play a release behind a pooler, and hold what it leaves against one that needs none."""
        databases.empty(self.database)
        with psycopg.connect(self.database, autocommit=True) as conn:
            final = judge.stages(conn, CELL)[-1]
        databases.empty(self.database)
        with running(pooler, self.database) as (url, _):
            for command in RELEASE:
                ended = self.person(url).call(*command)
                self.codes[ended.code] += 1
                if ended.code != ExitCode.OK:
                    self.wrong.append(f"{pooler}: {command[0]}: {ended.code}, {ended.err[-200:]!r}")
        with psycopg.connect(self.database) as conn:
            if judge.photograph(conn) != final:
                self.wrong.append(f"{pooler}: the schema or the rows are not those of a release")
            self.wrong += judge.accounts(conn, CELL.kind).wrong(list(CELL.migrations))
            if conn.execute(_LOCKS).fetchone() != (0,):
                self.wrong.append(f"{pooler}: locks are left")

    def _created(self) -> int:
        with psycopg.connect(self.database) as conn:
            row = conn.execute(_CREATED).fetchone()
        return int(str(row[0])) if row else 0

    def _judge(self, title: str, ended: Ended, *, same: bool) -> None:
        self.codes[ended.code] += 1
        lines = ended.err.splitlines()
        said = len(lines) == 1 and "pooler" in lines[0] and "direct address" in lines[0]
        if ended.code != ExitCode.USAGE or not said or not same:
            self.wrong.append(f"{title}: {ended.code}, {ended.err[-200:]!r}, same: {same}")
