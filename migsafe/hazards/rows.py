"""Hazards of statements that change rows: how many, and what they lock meanwhile."""

from collections.abc import Iterator
from typing import Any

from pglast import ast

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, dropped, writing
from migsafe.hazards.locks import Mode
from migsafe.schema import Table, expressions
from migsafe.sql import Statement

_MANUAL = "https://www.postgresql.org/docs/current"


def _update_all(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    for change in writing.changes(node):
        if isinstance(change, ast.UpdateStmt) and writing.is_unconditional(change.whereClause):
            table = context.table(change.relation)
            if not dropped.rowless(table, context):
                message = (
                    f"updates every row of {table.key} in one statement: each stays locked for "
                    "other writers until COMMIT, and leaves a dead version behind"
                )
                yield Hit(message, table)


def _delete_all(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    for change in writing.changes(node):
        if isinstance(change, ast.DeleteStmt) and writing.is_unconditional(change.whereClause):
            table = context.table(change.relation)
            if not dropped.rowless(table, context):
                message = (
                    f"deletes every row of {table.key} in one statement: each stays locked for "
                    "other writers until COMMIT, and is gone afterwards"
                )
                yield Hit(message, table, dropped.severity(table, context))


def _under_lock(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    """Yield changes of many rows while the transaction holds a lock that keeps others out."""
    if not context.held:
        return
    for change in (node,) if isinstance(node, ast.CopyStmt) else writing.changes(node):
        table = context.schema.find(change.relation) if change.relation else None
        if table is not None and _is_long(change, table, context):
            own = table.key
            key, held = max(context.held.items(), key=lambda one: (one[1].mode, one[0] == own))
            others = len(context.held) - 1
            more = f" and {others} more" if others else ""
            who = "nobody can use it" if held.mode == Mode.ACCESS_EXCLUSIVE else "its writers wait"
            message = (
                f"{_VERBS[type(change)]} {table.key} while line {held.statement.line} holds "
                f"{held.mode} on {key}{more}, so that {who} until COMMIT"
            )
            suffers = context.schema.tables.get(key) if context.fresh(table) else table
            yield Hit(message, suffers)


_VERBS: dict[type, str] = {
    ast.InsertStmt: "fills",
    ast.UpdateStmt: "updates rows of",
    ast.DeleteStmt: "deletes rows of",
    ast.MergeStmt: "merges rows into",
    ast.CopyStmt: "loads rows into",
}


def _is_long(change: Any, table: Table, context: Context) -> bool:
    """Tell whether a change may take long: a backfill, not a row by its key or a few literals."""
    if isinstance(change, ast.InsertStmt):
        query = change.selectStmt
        return query is not None and any(expressions.nodes(query, ast.RangeVar))
    if isinstance(change, ast.CopyStmt):
        return bool(change.is_from)
    if context.fresh(table) or dropped.rowless(table, context):
        return False
    return isinstance(change, ast.MergeStmt) or not writing.is_bounded(change, table)


#: Rows up to which nobody waits long for an UPDATE or DELETE; arbitrary.
_FEW = 10_000


def _affected(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    for change in writing.changes(node):
        if not isinstance(change, ast.UpdateStmt | ast.DeleteStmt):
            continue
        table = context.table(change.relation)
        if writing.is_unconditional(change.whereClause) or writing.is_bounded(change, table):
            continue
        if table.rows is None or table.rows > _FEW:
            verb = "updates" if isinstance(change, ast.UpdateStmt) else "deletes"
            message = (
                f"{verb} as many rows of {table.key} as its WHERE finds, in one statement: each "
                "stays locked for other writers until COMMIT"
            )
            yield Hit(message, table)


def _no_columns(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    for change in writing.changes(node):
        if isinstance(change, ast.InsertStmt) and change.selectStmt and not change.cols:
            table = context.table(change.relation)
            yield Hit(f"inserts into {table.key} by the order of its columns, naming none", table)


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS116",
        name="mixed-ddl-and-dml",
        on=(*writing.HOLDERS, ast.CopyStmt),
        check=_under_lock,
        weighed=True,
        summary="many rows are changed while a lock of the same transaction keeps others out",
        why="A lock lasts to the end of the transaction. ALTER TABLE needs ACCESS EXCLUSIVE for a "
        "moment only; a backfill after it in the same transaction makes of that moment the minutes "
        "that the backfill takes, and all that time nobody can read the table. The same holds for "
        "SHARE ROW EXCLUSIVE of a foreign key or trigger, and for SHARE of an index: writers wait.",
        remedy="Change the schema in one migration and the rows in another, in batches.",
        source=f"{_MANUAL}/explicit-locking.html",
    ),
    Rule(
        code="MS142",
        name="update-without-where",
        on=writing.HOLDERS,
        check=_update_all,
        weighed=True,
        summary="every row of a table is updated in one statement",
        why="An UPDATE locks each row that it changes until COMMIT: an application that writes one "
        "of them waits. It writes a new version of every row and every index entry, so that the "
        "table grows to twice its size, replicas lag, and vacuum has it all to clean. On a large "
        "table it takes minutes to hours, and a failure near the end rolls everything back.",
        remedy="Update in batches by key, each in a transaction of its own, outside of the "
        "migration that changes the schema.",
        source=f"{_MANUAL}/explicit-locking.html",
        lock="ROW EXCLUSIVE",
        scans=True,
    ),
    Rule(
        code="MS143",
        name="affected-rows",
        severity=Severity.INFO,
        on=writing.HOLDERS,
        check=_affected,
        rows=True,
        summary="an UPDATE or DELETE may reach many rows",
        why="How many rows a WHERE finds cannot be read from the text. Each of them is locked "
        "against other writers until COMMIT, and leaves a dead version in the table and in its "
        "indexes.",
        remedy="Count the rows that the WHERE finds in production; where they are many, change "
        "them in batches by key.",
        source=f"{_MANUAL}/explicit-locking.html",
        lock="ROW EXCLUSIVE",
        scans=True,
    ),
    Rule(
        code="MS309",
        name="delete-without-where",
        on=writing.HOLDERS,
        check=_delete_all,
        summary="every row of a table is deleted",
        why="A DELETE without a WHERE removes all rows, which only a backup brings back. It locks "
        "each row until COMMIT, checks every foreign key that points to it, and deletes there too "
        "where the key says CASCADE. The space is not given back; queries still read past the "
        "dead rows until vacuum has run.",
        remedy="Say in a WHERE which rows are meant, and delete them in batches by key.",
        source=f"{_MANUAL}/sql-delete.html",
        lock="ROW EXCLUSIVE",
        scans=True,
    ),
    Rule(
        code="MS426",
        name="insert-without-columns",
        severity=Severity.INFO,
        on=writing.HOLDERS,
        check=_no_columns,
        style=True,
        spares_new=False,
        summary="an INSERT does not name its columns",
        why="Without a list, values go to the columns in the order in which the table has them. "
        "That order differs where columns were added by hand or by another branch; then the "
        "INSERT fails, or puts values into the wrong columns of the same type.",
        remedy="Name the columns: INSERT INTO t (a, b) VALUES ….",
        source=f"{_MANUAL}/sql-insert.html",
    ),
)
