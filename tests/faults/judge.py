"""What is right after a fault, from the catalogs and the rows, apart from migsafe's own code."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from migsafe.errors import ExitCode
from migsafe.sql import parse
from tests.faults.processes import Ended
from tests.faults.scenarios import Cell

Connection = psycopg.Connection[Any]
Photograph = tuple[str, ...]

#: Everything of the schema that the scenarios make, a line each.
_SCHEMA = """
    WITH ours AS (
        SELECT c.*, n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relname !~ '^_prisma_migrations')
    SELECT concat_ws(' ', 'relation', relkind, relname) FROM ours
    UNION ALL
    SELECT concat_ws(' ', 'column', o.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                     a.attnotnull, coalesce(a.attstattarget, -1), pg_get_expr(d.adbin, d.adrelid))
    FROM ours AS o JOIN pg_attribute AS a ON a.attrelid = o.oid
    LEFT JOIN pg_attrdef AS d ON d.adrelid = o.oid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT concat_ws(' ', 'constraint', o.relname, k.conname, pg_get_constraintdef(k.oid),
                     k.convalidated)
    FROM ours AS o JOIN pg_constraint AS k ON k.conrelid = o.oid
    UNION ALL
    SELECT concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready)
    FROM ours AS o JOIN pg_index AS i ON i.indrelid = o.oid
    UNION ALL
    SELECT concat_ws(' ', 'label', t.typname, e.enumlabel, e.enumsortorder)
    FROM pg_enum AS e JOIN pg_type AS t ON t.oid = e.enumtypid
    UNION ALL
    SELECT concat_ws(' ', 'function', p.proname, p.prosrc) FROM pg_proc AS p
    WHERE p.pronamespace = 'public'::regnamespace"""

_TABLES = """
    SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    AND relname <> '_prisma_migrations'"""

#: How often the tool's table calls a migration applied, and how often it leaves one open.
_RECORDED = {
    "prisma": """
        SELECT migration_name,
               count(*) FILTER (WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL),
               count(*) FILTER (WHERE finished_at IS NULL AND rolled_back_at IS NULL)
        FROM _prisma_migrations GROUP BY 1""",
    "sql": "SELECT name, count(*), 0 FROM migsafe.migrations GROUP BY 1",
}
_TABLE = {"prisma": "_prisma_migrations", "sql": "migsafe.migrations"}

#: How often a receipt ends a migration well, and whether the last one leaves it open.
_RECEIPTS = """
    SELECT migration, count(*) FILTER (WHERE event IN ('done', 'applied')),
           ((array_agg(event ORDER BY id DESC))[1] IN ('began', 'statement'))::int
    FROM migsafe.receipts GROUP BY 1"""


def photograph(conn: Connection) -> Photograph:
    """Return the schema and the rows, a line each, without what records migrations."""
    lines = [str(line) for (line,) in conn.execute(_SCHEMA)]
    for (table,) in conn.execute(_TABLES).fetchall():
        rows = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(table))
        lines += [f"row {table} {row}" for (row,) in conn.execute(rows)]
    return tuple(sorted(lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Per migration: how often it is recorded as applied, and whether a record is open."""

    table: Mapping[str, tuple[int, int]]
    receipts: Mapping[str, tuple[int, int]]

    @property
    def open(self) -> set[str]:
        """The migrations that something leaves unfinished."""
        both = (*self.table.items(), *self.receipts.items())
        return {name for name, (_, unfinished) in both if unfinished}

    def wrong(self, applied: Sequence[str]) -> list[str]:
        """Say where they do not account for just these, each once; open ones aside."""
        wanted = dict.fromkeys(applied, 1)
        wrong = []
        for title, said in (("the tool's table", self.table), ("receipts", self.receipts)):
            counts = {n: count for n, (count, _) in said.items() if count and n not in self.open}
            if counts != {name: 1 for name in wanted if name not in self.open}:
                wrong.append(f"{title}: {counts}, in effect: {list(applied)}")
        return wrong


def accounts(conn: Connection, kind: str) -> Accounts:
    """Read who says what of each migration."""
    return Accounts(
        table=_counts(conn, _TABLE[kind], _RECORDED[kind]),
        receipts=_counts(conn, "migsafe.receipts", _RECEIPTS),
    )


def _counts(conn: Connection, table: str, query: str) -> dict[str, tuple[int, int]]:
    there = conn.execute("SELECT to_regclass(%s)", [table]).fetchone()
    if not (there and there[0]):
        return {}
    return {name: (said, unfinished) for name, said, unfinished in conn.execute(query.encode())}


def stages(conn: Connection, cell: Cell) -> list[Photograph]:
    """Run the migrations without migsafe; return a photograph before the first and after each."""
    taken = [photograph(conn)]
    for text in cell.migrations.values():
        for statement in parse(text):
            conn.execute(statement.text.encode())
        taken.append(photograph(conn))
    return taken


# ---------------------------------------------------------------- verdicts

#: Codes that say that only whole migrations are in effect.
_WHOLE = (
    ExitCode.OK,
    ExitCode.FINDINGS,
    ExitCode.BUSY,
    ExitCode.FAILED,
    ExitCode.UNREACHABLE,
    ExitCode.INTERRUPTED,
)

_NOTHING = (ExitCode.USAGE, ExitCode.UNREACHABLE, ExitCode.UNMANAGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A database after a run that started on an empty one; `stage` is None within a migration."""

    cell: Cell
    stage: int | None
    accounts: Accounts
    invalid: int
    #: What distinguishes it from the last stage, with a sign before each line.
    differs: tuple[str, ...] = ()

    @property
    def applied(self) -> list[str]:
        """The migrations in effect, where these are whole ones."""
        return list(self.cell.migrations)[: self.stage or 0]


def read(conn: Connection, cell: Cell, taken: Sequence[Photograph]) -> State:
    """Find the stage at which a database is."""
    now = photograph(conn)
    invalid = conn.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone()
    return State(
        cell=cell,
        stage=taken.index(now) if now in taken else None,
        accounts=accounts(conn, cell.kind),
        invalid=invalid[0] if invalid else 0,
        differs=_differences(now, taken[-1]),
    )


def _differences(now: Photograph, wanted: Photograph) -> tuple[str, ...]:
    had, has = Counter(wanted), Counter(now)
    missing = (f"-{line}" for line in (had - has).elements())
    return (*missing, *(f"+{line}" for line in (has - had).elements()))


def disagreements(state: State) -> list[str]:
    """Say where the tool's table and the receipts do not account for what is in effect.

    Within a migration, one record has to be open; the migrations before it are known by no
    photograph, and are left to the end of the recovery.
    """
    if state.stage is None:
        return [] if state.accounts.open else ["within a migration, and no record is open"]
    return state.accounts.wrong(state.applied)


def untrue(ended: Ended, state: State) -> list[str]:
    """Say what a run claimed by its exit code and its report that is not so."""
    code, total = ended.code, len(state.cell.migrations)
    wrong = []
    if code < 0 or code == ExitCode.BUG:
        wrong.append(f"it ended with {code}: {ended.err[-300:]}")
    if code == ExitCode.OK and state.stage != total:
        wrong.append(f"exit 0, and stage {state.stage} of {total}")
    if code in _WHOLE and state.stage is None:
        wrong.append(f"exit {code}, and part of a migration is in effect")
    if code in _NOTHING and state.stage != 0:
        wrong.append(f"exit {code}, and stage {state.stage}: something was changed")
    return wrong + _misreported(ended, state)


def _misreported(ended: Ended, state: State) -> list[str]:
    """Hold the outcome of each step against the stage; a dirty one may be anything."""
    steps = ended.report.steps if ended.report else ()
    names = list(state.cell.migrations)
    wrong = []
    for step in steps:
        after = names.index(step.migration) + 1
        known = state.stage if state.stage is not None else _least(state)
        if step.outcome == "done" and known < after:
            wrong.append(f"{step.migration} is called done, and stage {state.stage}")
        if step.outcome in ("failed", "busy", "skipped") and known >= after:
            wrong.append(f"{step.migration} is called {step.outcome}, and stage {state.stage}")
    return wrong


def _least(state: State) -> int:
    """Count the migrations that are whole in the middle of one: those with a closed record."""
    return sum(1 for name in state.cell.migrations if state.accounts.table.get(name, (0, 0))[0])


def cautious(ended: Ended, state: State) -> bool:
    """Tell whether a run called for a person although whole migrations are in effect."""
    return ended.code == ExitCode.DIRTY and state.stage is not None and not state.accounts.open
