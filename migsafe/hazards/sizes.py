"""Hazards that only the sizes of a target's tables show: room on disk, and standbys behind."""

from collections.abc import Iterator
from typing import Any

from pglast import ast

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, size, writing
from migsafe.hazards.locks import Lock, Work
from migsafe.schema import Key, Table
from migsafe.sql import Statement

#: Bytes from which a copy of a table is worth a word; arbitrary.
_LARGE = 1_000_000_000

_MANUAL = "https://www.postgresql.org/docs/current"

#: Statements that may write a table or an index anew.
_WRITERS = (
    *(ast.AlterTableStmt, ast.ClusterStmt, ast.VacuumStmt, ast.RefreshMatViewStmt),
    *(ast.IndexStmt, ast.ReindexStmt),
)


def _worked_on(
    statement: Statement, context: Context, least: Work
) -> Iterator[tuple[Table, int, Lock]]:
    """Yield the relations that a statement works on at least so hard, with their known sizes."""
    if any(table.bytes for table in _named(statement.node, context)):
        for key, lock in context.locks(statement).items():
            table = context.schema.tables.get(key)
            if lock.work >= least and table is not None and table.bytes is not None:
                yield table, table.bytes, lock


def _named(node: Any, context: Context) -> Iterator[Table]:
    """Yield the relations that a statement names; all where it names none."""
    relation = getattr(node, "relation", None)
    if relation is not None:
        found = context.schema.find(relation) or _owner(relation, context)
        yield from (found,) if found else ()
    else:
        yield from context.schema.tables.values()


def _owner(relation: Any, context: Context) -> Table | None:
    found = context.schema.index(relation.schemaname, relation.relname)
    return found[0] if found else None


def _needs_room(_node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    found = list(_worked_on(statement, context, Work.REWRITE))
    total = sum(bytes_ for _, bytes_, _ in found)
    if total >= _LARGE:
        largest = max(found, key=lambda one: one[1])[0]
        names = _names([table.key for table, _, _ in found])
        message = (
            f"writes {names} anew beside the old files: up to {size(total)} more on disk, and as "
            "much WAL, until COMMIT"
        )
        yield Hit(message, largest)


def _names(keys: list[Key]) -> str:
    return str(keys[0]) if len(keys) == 1 else f"{keys[0]} and {len(keys) - 1} more"


def _delays_standbys(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if isinstance(node, writing.HOLDERS):
        found = list(_all_rows(node, context))
    else:
        worked = _worked_on(statement, context, Work.BUILD)
        found = [(table, bytes_) for table, bytes_, _ in worked if not table.unlogged]
    total = sum(bytes_ for _, bytes_ in found)
    if total >= _LARGE:
        largest = max(found, key=lambda one: one[1])[0]
        names = _names([table.key for table, _ in found])
        message = (
            f"works through {names} and sends up to {size(total)} of WAL in one go, which standbys "
            "and logical subscribers replay late"
        )
        yield Hit(message, largest)


def _all_rows(node: Any, context: Context) -> Iterator[tuple[Table, int]]:
    """Yield the tables of which a statement changes every row."""
    for change in writing.changes(node):
        table = context.schema.find(change.relation)
        unconditional = isinstance(change, ast.UpdateStmt | ast.DeleteStmt) and (
            writing.is_unconditional(change.whereClause)
        )
        if unconditional and table and table.bytes and not table.unlogged:
            yield table, table.bytes


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS229",
        name="rewrite-disk-headroom",
        on=_WRITERS,
        check=_needs_room,
        summary="a large table is written anew, which needs as much room again",
        why="A rewrite makes a second copy of the table and all its indexes before it removes the "
        "first, and writes the same amount to the WAL, which a replication slot may keep. Where "
        "the disk fills, the statement fails with 53100, or the server stops. Autoscaling storage "
        "takes longer than a fast copy.",
        remedy="Look for free space of at least twice the size before, or avoid the rewrite.",
        source=f"{_MANUAL}/disk-full.html",
    ),
    Rule(
        code="MS230",
        name="replication-lag-risk",
        severity=Severity.INFO,
        on=(*_WRITERS, *writing.HOLDERS),
        check=_delays_standbys,
        summary="a statement writes so much that standbys fall behind",
        why="Standbys replay one after the other what the primary wrote with many processes. While "
        "they work through a rewrite, an index or a large UPDATE, their readers see old rows; an "
        "ACCESS EXCLUSIVE lock is replayed too, and cancels their queries after "
        "max_standby_streaming_delay. A failover meanwhile waits for all of it.",
        remedy="Watch the lag while it runs, change rows in batches with pauses, and keep readers "
        "that need fresh rows on the primary.",
        source=f"{_MANUAL}/hot-standby.html#HOT-STANDBY-CONFLICT",
    ),
)
