"""Hazards that only several migrations together have: what a run of them does to one table."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from pglast import ast

from migsafe import references
from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, When
from migsafe.hazards.context import Taken, is_made
from migsafe.hazards.locks import Lock, Mode, Work
from migsafe.schema import Key, Place, Table, tables
from migsafe.sql import Statement

#: As many migrations may be one release; more are a history, which no live table meets at once.
#: Arbitrary.
_RELEASE = 20

#: Bytes that a server reads in a second, and how often each work passes over the table; measured
#: on one machine, and right within a factor of three.
_SPEED = 300_000_000
_PASSES = {Work.MOMENT: 0, Work.SCAN: 1, Work.BUILD: 3, Work.REWRITE: 4}

#: Seconds that a table may be locked in all: what is no news, and what is an outage.
_NOTHING, _OUTAGE = 1, 60

_Passes = list[tuple[Taken, Lock]]


def _by_table(context: Context) -> Iterator[tuple[Table, _Passes]]:
    """Yield the tables that were there before a run of several migrations, with their locks."""
    if not 1 < len(set(context.reported)) <= _RELEASE:
        return
    found: dict[Key, _Passes] = defaultdict(list)
    for taken in context.run:
        for key, lock in taken.locks.items():
            found[key].append((taken, lock))
    for key, passes in found.items():
        table = context.schema.tables.get(key)
        if table and table.kind in "rm" and not _is_of_run(table, context):
            yield table, passes


def _is_of_run(table: Table, context: Context) -> bool:
    return table.made is not None and table.made.migration in context.reported


def _migrations(passes: _Passes) -> list[str]:
    return list(dict.fromkeys(taken.place.migration for taken, _ in passes))


def _adds_up(_node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    for table, passes in _by_table(context):
        lasting = [(taken, lock) for taken, lock in passes if lock.work > Work.MOMENT]
        names = _migrations(lasting)
        if len(names) < 2:
            continue
        times = sum(_PASSES[lock.work] for _, lock in lasting)
        seconds = None if table.bytes is None else table.bytes * times / _SPEED
        if seconds is None or seconds >= _NOTHING:
            long = "" if seconds is None else f", which are some {seconds:,.0f} s in all"
            message = f"keeps writers out of {table.key} for the {_nth(len(lasting))} scan, index"
            message = f"{message} build or rewrite since {names[0]}{long}"
            severity = Severity.ERROR if (seconds or 0) >= _OUTAGE else None
            yield Hit(message, table, severity, place=lasting[-1][0].place)


def _nth(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")


def _touches(_node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    for table, passes in _by_table(context):
        exclusive = [taken for taken, lock in passes if lock.mode == Mode.ACCESS_EXCLUSIVE]
        names = _migrations([(taken, Lock(Mode.ACCESS_EXCLUSIVE)) for taken in exclusive])
        if len(names) > 1:
            message = f"takes ACCESS EXCLUSIVE on {table.key}, as {names[0]} has: each of the"
            message = f"{message} {len(names)} migrations waits for all users of the table anew"
            yield Hit(message, table, place=exclusive[-1].place)


def _rewrites(_node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if len(set(context.reported)) > _RELEASE:
        return
    for taken in context.run:
        for key, lock in taken.locks.items():
            table = context.schema.tables.get(key)
            made = table.made.migration if table and table.made else None
            if lock.work == Work.REWRITE and made in _before(taken.place.migration, context):
                yield Hit(f"rewrites {key}, which {made} of the same run makes", place=taken.place)


def _before(migration: str, context: Context) -> list[str]:
    """Return the migrations of the run that come before one of them."""
    return context.reported[: context.reported.index(migration)]


# ---------------------------------------------------------------- order


def _misses(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    """Yield names that lead nowhere, or that are taken; a branch of a block may be a guard."""
    if statement.inner:
        return
    for name in references.used(node) if context.schema.gone else ():
        key = context.schema.key(name.schema, name.bare)
        place = context.schema.gone.get(key)
        if place and not is_made(context.schema.tables.get(key)):
            yield Hit(f"names {key}, which {_at(place, context)} has taken away (42P01)")
    if isinstance(node, ast.CreateStmt | ast.ViewStmt | ast.CreateTableAsStmt):
        yield from _clashes(node, context)


def _clashes(node: Any, context: Context) -> Iterator[Hit]:
    if getattr(node, "if_not_exists", False) or getattr(node, "replace", False):
        return
    into = getattr(node, "into", None)
    relation = into.rel if into else getattr(node, "view", None) or node.relation
    key = tables.new_key(context.schema, relation)
    table = context.schema.tables.get(key)
    if is_made(table):
        place = table.made if table else None
        since = f" since {_at(place, context)}" if place else ""
        yield Hit(f"makes {key}, which is there already{since} (42P07)")
    elif key in context.named and key not in context.schema.gone and not context.schema.opaque:
        place = context.named[key]
        yield Hit(f"makes {key}, which {_at(place, context)} already uses: one of the two fails")


def _at(place: Place, context: Context) -> str:
    """Return a place as a reader of this migration finds it."""
    own = place.migration == context.unit.name
    return f"line {place.line}" if own else f"line {place.line} of {place.migration}"


_MANUAL = "https://www.postgresql.org/docs/current"

RULES: tuple[Rule, ...] = (
    Rule(
        code="MS144",
        name="cumulative-lock-budget",
        on=(When.LAST,),
        check=_adds_up,
        summary="several migrations of one run pass over the same table under a lock",
        why="Each of them may be bearable by itself. Applied one after another they keep writers, "
        "or everybody, out of the table for as long as all of them take together. The time is "
        "estimated from the table's size where a target is read.",
        remedy="Merge them, so that one scan or rewrite does for all, or apply them on different "
        "days.",
        source=f"{_MANUAL}/explicit-locking.html",
        spares_new=False,
    ),
    Rule(
        code="MS145",
        name="hot-table-multi-touch",
        severity=Severity.INFO,
        on=(When.LAST,),
        check=_touches,
        summary="several migrations of one run lock the same table",
        why="ACCESS EXCLUSIVE waits for every transaction that uses the table, and all who come "
        "later wait behind it. Each migration that needs it goes through that again.",
        remedy="Put the changes of one table into one migration and one ALTER TABLE.",
        source=f"{_MANUAL}/explicit-locking.html",
        spares_new=False,
    ),
    Rule(
        code="MS231",
        name="create-then-rewrite",
        severity=Severity.INFO,
        on=(When.LAST,),
        check=_rewrites,
        summary="a table is made and rewritten by migrations of the same run",
        why="A migration makes the table and a later one changes a type in it, so that whatever is "
        "in the table by then is written twice. While neither has been applied anywhere, the first "
        "can be right at once.",
        remedy="Write the type that is wanted into the migration that makes the table.",
        source=f"{_MANUAL}/sql-altertable.html",
        rewrites=True,
        spares_new=False,
    ),
    Rule(
        code="MS453",
        name="ordering-hazard",
        severity=Severity.ERROR,
        on=(When.STATEMENT,),
        check=_misses,
        summary="a migration needs what an earlier one has dropped, or a later one makes",
        why="Migrations run in the order of their names. One that was written on another branch "
        "may come before the one that makes its table, or after the one that drops or renames it, "
        "and fails.",
        remedy="Rename the migration so that it comes after what it needs, or correct the name.",
        source=f"{_MANUAL}/sql-createtable.html",
        fails="42P01",
        spares_new=False,
    ),
)
