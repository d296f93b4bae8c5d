"""Commands behind a pooler that shares backends: refused, and nobody's backend is any different."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import psycopg

from migsafe.errors import ExitCode
from tests.faults import bouncing, swapping
from tests.faults.bouncing import Pool
from tests.faults.processes import Ended
from tests.faults.recovery import Person
from tests.faults.scenarios import Cell
from tests.faults.swapping import Habits

CELL = Cell("in transactions", "prisma")

#: Every command that connects to the target.
COMMANDS = (
    ("apply", "--gate", "never"),
    ("plan",),
    ("status",),
    ("audit",),
    ("verify",),
    ("baseline",),
    ("baseline", "--write"),
    ("resolve", "--applied", next(iter(CELL.migrations))),
)

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
    codes: Counter[int] = field(default_factory=Counter)
    #: Those that were not refused as they must be, with all that a person needs to look into it.
    wrong: list[str] = field(default_factory=list)

    def person(self, url: str) -> Person:
        """Return somebody who calls migsafe on a URL, with a shadow beside."""
        options = ("--migrations", "migrations", "--shadow", self.server, "--url", url)
        return Person(folder=self.folder, options=options)

    def refuse(self, poolers: Iterable[Habits | Pool]) -> None:
        """Call every command behind each of them."""
        for pooler in poolers:
            cold = isinstance(pooler, Habits) and pooler.cold
            for commands in [(one,) for one in COMMANDS] if cold else [COMMANDS]:
                with running(pooler, self.database) as (url, left):
                    for command in commands:
                        ended = self.person(url).call(*command)
                        same = not (left() or self._created())
                        self._judge(f"{pooler}: {command[0]}", ended, same=same)

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
