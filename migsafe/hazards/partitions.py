"""Hazards of partitions: what making, attaching, detaching and dropping one locks and reads."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, dropped
from migsafe.schema import Index, Table, bounds
from migsafe.sql import Statement

_Object = enums.ObjectType
_Change = enums.AlterTableType

_MANUAL = "https://www.postgresql.org/docs/current"


def _default(parent: Table, context: Context) -> Table | None:
    """Return the default partition of a table, None where none is known."""
    for table in context.schema.tables.values():
        if parent.key in table.parents and table.is_default():
            return table
    return None


def _is_known(parent: Table, context: Context) -> bool:
    """Tell whether all partitions of a table are known."""
    return context.schema.complete or parent.made is not None


# ---------------------------------------------------------------- a new partition


def _create(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if not node.partbound or _is_there(node, context):
        return
    parent = _parent(node, context)
    default = _default(parent, context)
    also = f" and on {default.key}" if default else ""
    message = (
        f"holds ACCESS EXCLUSIVE on {parent.key}{also} until COMMIT, so that no query of it runs "
        "meanwhile"
    )
    yield Hit(message, parent)


def _parent(node: Any, context: Context) -> Table:
    """Return the table that a CREATE TABLE … PARTITION OF names."""
    return context.table(node.inhRelations[0])


def _is_there(node: Any, context: Context) -> bool:
    return bool(node.if_not_exists) and context.schema.find(node.relation) is not None


def _attach(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if statement.node.objtype != _Object.OBJECT_TABLE:
        return  # ALTER INDEX … ATTACH PARTITION
    parent, table = context.table(statement.node.relation), context.table(node.def_.name)
    if dropped.rowless(table, context):
        return
    if why := _unproven(table, parent, node.def_.bound, context):
        message = (
            f"reads all of {table.key} under ACCESS EXCLUSIVE, so that nobody can use it "
            f"meanwhile: {why}"
        )
        yield Hit(message, table)
    elif missing := _missing_indexes(table, parent):
        message = (
            f"builds {', '.join(missing)} of {parent.key} anew on {table.key} under ACCESS "
            "EXCLUSIVE, so that nobody can use it meanwhile"
        )
        yield Hit(message, table)


def _unproven(table: Table, parent: Table, bound: Any, context: Context) -> str | None:
    """Return why the server has to look at the rows, None where it need not."""
    if bound.is_default:
        others = any(parent.key in other.parents for other in context.schema.tables.values())
        if not others and _is_known(parent, context):
            return None
        return "each row may belong to another partition"
    if bounds.fits(table, parent, bound):
        return None
    if not _is_known(parent, context) or not parent.partition_key:
        return f"the key of {parent.key} is not known here"
    return "no valid CHECK is seen to imply its bound, together with NOT NULL of the key"


def _missing_indexes(table: Table, parent: Table) -> list[str]:
    """Return the parent's indexes that have no counterpart; those of unknown tables are not."""
    if not (table.known and parent.known):
        return []
    return [
        index.name
        for index in parent.indexes.values()
        if not any(_is_same(index, own, table, parent) for own in table.indexes.values())
    ]


def _is_same(index: Index, own: Index, table: Table, parent: Table) -> bool:
    backs = index.name in parent.constraints
    return (
        (index.columns, index.unique, index.method) == (own.columns, own.unique, own.method)
        and own.valid
        and (index.predicate is None) == (own.predicate is None)
        and (not backs or own.name in table.constraints)
    )


def _reads_default(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if isinstance(node, ast.CreateStmt):
        if not node.partbound or _is_there(node, context):
            return
        parent, bound = _parent(node, context), node.partbound
    elif statement.node.objtype == _Object.OBJECT_TABLE:
        parent, bound = context.table(statement.node.relation), node.def_.bound
    else:
        return
    default = _default(parent, context)
    if default is None or bound.is_default or dropped.rowless(default, context):
        return
    if not bounds.avoids(default, parent, bound):
        message = (
            f"reads all of the default partition {default.key} under ACCESS EXCLUSIVE, so that "
            "nobody can use it meanwhile, and fails (23514) where a row belongs to the new one"
        )
        yield Hit(message, default)


# ---------------------------------------------------------------- a partition goes


def _detach(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    parent = context.table(statement.node.relation)
    default = _default(parent, context)
    if node.def_.concurrent:
        if default:
            problem = f"CONCURRENTLY is refused while {default.key} is the default partition"
            yield Hit(f"fails (55000): {problem}", None, Severity.ERROR)
        return
    also = f", {default.key} too," if default else ""
    message = (
        f"holds ACCESS EXCLUSIVE on {parent.key}{also} until COMMIT, so that no query of it runs "
        "meanwhile"
    )
    yield Hit(message, parent)


def _drop(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if node.removeType != _Object.OBJECT_TABLE:
        return
    tables = list(dropped.tables(node, context))
    gone = {table.key for table in tables}
    for table in tables:
        for key in table.parents if table.bound is not None else ():
            if key not in gone and key in context.schema.tables:
                message = (
                    f"holds ACCESS EXCLUSIVE on {key}, whose partition {table.key} is, until "
                    "COMMIT, so that no query of it runs meanwhile"
                )
                yield Hit(message, context.schema.tables[key])


# ---------------------------------------------------------------- many at once

#: Partitions from which locking them all is worth a word; arbitrary.
_MANY = 20


def _fans_out(_node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    locked = context.blocking(statement)
    if len(locked) <= _MANY:
        return
    tables = [context.schema.tables[key] for key in locked if key in context.schema.tables]
    partitions = [table for table in tables if table.bound is not None]
    roots = [table for table in tables if table.kind == "p" and table.bound is None]
    if len(partitions) >= _MANY and roots:
        mode = max(locked[table.key].mode for table in partitions)
        message = (
            f"takes {mode} on {len(partitions)} partitions of {roots[0].key} one after the other, "
            "and holds them all until COMMIT"
        )
        yield Hit(message, roots[0])


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS126",
        name="create-partition-of",
        on=(ast.CreateStmt,),
        check=_create,
        summary="a partition is created in a table in use",
        why="CREATE TABLE … PARTITION OF takes ACCESS EXCLUSIVE on the partitioned table, and on "
        "its default partition, until COMMIT: every query that names the table waits. Making a "
        "plain table and attaching it takes SHARE UPDATE EXCLUSIVE on the parent (since 12), which "
        "lets reading and writing go on.",
        remedy="Create a table LIKE the parent with a CHECK of the bound, and attach it.",
        source="measured on PostgreSQL 11 to 18",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS127",
        name="detach-partition-not-concurrent",
        on=(_Change.AT_DetachPartition,),
        check=_detach,
        summary="a partition is detached while nobody can query the table",
        why="DETACH PARTITION takes ACCESS EXCLUSIVE on the partitioned table, and on its default "
        "partition, until COMMIT. With CONCURRENTLY (14 and later) it takes SHARE UPDATE EXCLUSIVE "
        "and waits for the queries that still see the partition. That cannot run in a transaction, "
        "nor while there is a default partition (55000).",
        remedy="Write DETACH PARTITION … CONCURRENTLY outside of a transaction, with no default "
        "partition; else set a short lock_timeout and retry.",
        source=f"{_MANUAL}/sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS128",
        name="drop-partition",
        on=(ast.DropStmt,),
        check=_drop,
        summary="a partition is dropped while nobody can query the table",
        why="DROP TABLE of a partition takes ACCESS EXCLUSIVE not only on the partition but on the "
        "partitioned table as well, until COMMIT: it waits for every query that is running, and "
        "all that come later wait behind it.",
        remedy="Detach it concurrently first, and drop it in another migration, when it is a table "
        "of its own.",
        source="measured on PostgreSQL 11 to 18",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS129",
        name="partition-fanout",
        on=(
            *(ast.AlterTableStmt, ast.DropStmt, ast.IndexStmt, ast.TruncateStmt),
            *(ast.CreateTrigStmt, ast.RenameStmt, ast.LockStmt),
        ),
        check=_fans_out,
        summary="a statement locks many partitions at once",
        why="What changes a partitioned table changes each of its partitions, and locks them one "
        "after the other until COMMIT. It waits for whoever uses any one of them, holding those "
        "that it has; the more there are, the sooner two sessions wait for each other. Thousands "
        "may run out of the lock table (53200).",
        remedy="Change the partitions one by one where that is possible (ON ONLY, then each), and "
        "set a short lock_timeout.",
        source=f"{_MANUAL}/ddl-partitioning.html",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS224",
        name="attach-partition-unproven",
        on=(_Change.AT_AttachPartition,),
        check=_attach,
        weighed=True,
        summary="a table is read or indexed while it is attached",
        why="ATTACH PARTITION looks at each row of the table to see that it belongs into the "
        "bound, under ACCESS EXCLUSIVE on the table; on 11 the parent is locked as hard. It does "
        "not look where a valid CHECK implies the bound and the key cannot be NULL: a CHECK alone "
        "lets NULL pass. An index of the parent that the table lacks is built under the same lock.",
        remedy="Add a CHECK of the bound NOT VALID, validate it in another migration, see that the "
        "key is NOT NULL and the indexes are there, and attach then.",
        source=f"{_MANUAL}/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE",
        lock="ACCESS EXCLUSIVE",
        scans=True,
    ),
    Rule(
        code="MS225",
        name="attach-partition-default-scan",
        on=(_Change.AT_AttachPartition, ast.CreateStmt),
        check=_reads_default,
        weighed=True,
        summary="the default partition is read because another one comes",
        why="The default partition has all rows that fit nowhere else. When another partition "
        "comes, PostgreSQL reads all of it under ACCESS EXCLUSIVE to see that none of them belongs "
        "there now, and fails with 23514 where one does. It does not read it where a valid CHECK "
        "says that no row can.",
        remedy="Add a CHECK to the default partition that excludes the new bound, NOT VALID, "
        "validate it, then create or attach the partition.",
        source=f"{_MANUAL}/sql-altertable.html#SQL-ALTERTABLE-ATTACH-PARTITION",
        lock="ACCESS EXCLUSIVE",
        scans=True,
    ),
)
