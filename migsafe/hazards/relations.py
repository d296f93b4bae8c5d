"""Hazards of whole relations: explicit locks, replica identity, inheritance, extensions' tables."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, dropped
from migsafe.schema import Index, Table
from migsafe.sql import Statement

_Object = enums.ObjectType
_Change = enums.AlterTableType

_MANUAL = "https://www.postgresql.org/docs/current"


# ---------------------------------------------------------------- LOCK TABLE

#: Modes of LOCK TABLE that stop an application, and whom.
_STOPS = {
    5: ("SHARE", "writers wait"),
    6: ("SHARE ROW EXCLUSIVE", "writers wait"),
    7: ("EXCLUSIVE", "writers and SELECT … FOR UPDATE wait"),
    8: ("ACCESS EXCLUSIVE", "nobody can use it meanwhile"),
}


def _lock(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if not context.in_transaction:
        yield Hit("fails (25P01): LOCK TABLE needs a transaction", None, Severity.ERROR)
        return
    for relation in node.relations if node.mode in _STOPS else ():
        mode, who = _STOPS[node.mode]
        table = context.table(relation)
        yield Hit(f"holds {mode} on {table.key} until COMMIT, so that {who}", table)


# ---------------------------------------------------------------- replica identity


def _identity(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = context.table(statement.node.relation)
    kind = node.def_.identity_type
    if kind == "f":
        message = (
            f"writes the whole old row of {table.key} to the WAL for each UPDATE and DELETE, and "
            "subscribers look it up by all its columns"
        )
        yield Hit(message, table)
    elif kind == "n":
        when = "" if table.published else " once a publication has it"
        message = f"makes UPDATE and DELETE on {table.key} fail (55000){when}"
        yield Hit(message, table, Severity.ERROR if table.published else None)
    elif kind == "i" and (problem := _unfit(table.indexes.get(node.def_.name), table)):
        yield Hit(f"fails: {node.def_.name} {problem}", None, Severity.ERROR)


def _unfit(index: Index | None, table: Table) -> str | None:
    """Return why an index cannot be a replica identity, None where it can or is not known."""
    if index is None:
        return None
    if not index.unique or not index.plain or not index.immediate:
        return "is not a plain unique index (42809)"
    columns = [table.columns[name] for name in index.columns if name in table.columns]
    nullable = [column.name for column in columns if not column.not_null]
    return f"has the nullable column {nullable[0]} (42809)" if nullable and table.known else None


# ---------------------------------------------------------------- inheritance


def _inherits(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if isinstance(node, ast.CreateStmt):
        if node.inhRelations and not node.partbound:
            parents = ", ".join(str(context.table(one).key) for one in node.inhRelations)
            yield Hit(f"makes an heir of {parents}: queries of the parent read its rows too")
        return
    child, parent = context.table(statement.node.relation), context.table(node.def_)
    if problem := _differs(child, parent):
        yield Hit(f"fails (42804): {child.key} {problem} of {parent.key}", None, Severity.ERROR)
        return
    message = (
        f"holds ACCESS EXCLUSIVE on {child.key} until COMMIT, so that nobody can use it meanwhile; "
        f"queries of {parent.key} read its rows from then on"
    )
    yield Hit(message, child)


def _differs(child: Table, parent: Table) -> str | None:
    """Return what an heir lacks of its parent; None where nothing, or where it is not known."""
    if not (child.known and parent.known):
        return None
    for column in parent.columns.values():
        own = child.columns.get(column.name)
        if own is None:
            return f"lacks the column {column.name}"
        if own.type != column.type:
            return f"has another type for {column.name} than that"
        if column.not_null and not own.not_null:
            return f"allows NULL in {column.name}, unlike that"
    checks = {name for name, made in parent.constraints.items() if made.kind == "c"}
    missing = sorted(checks - set(child.constraints))
    return f"lacks the check {missing[0]}" if missing else None


# ---------------------------------------------------------------- tables of extensions


def _extension_manages(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if isinstance(node, ast.DropStmt):
        if node.removeType != _Object.OBJECT_TABLE:
            return
        tables = list(dropped.tables(node, context))
    else:
        found = context.schema.find(node.relation) if node.relation else None
        tables = [found] if found else []
    for table in tables:
        if table.extension:
            message = (
                f"changes {table.key}, which belongs to the extension {table.extension}: it may "
                "refuse, undo or not notice what it has functions of its own for"
            )
            yield Hit(message, table)


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS118",
        name="lock-table",
        on=(ast.LockStmt,),
        check=_lock,
        summary="a table is locked by hand until COMMIT",
        why="LOCK TABLE waits for everybody who uses the table in a mode that conflicts, and all "
        "who come later queue behind it. From then on it holds the lock until COMMIT, however long "
        "the rest of the migration takes: no statement gives it up before.",
        remedy="Let each statement take the lock that it needs; where a lock is needed before, "
        "take it last, with a short lock_timeout, or with NOWAIT.",
        source=f"{_MANUAL}/sql-lock.html",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS130",
        name="replica-identity",
        on=(_Change.AT_ReplicaIdentity,),
        check=_identity,
        summary="the columns by which subscribers find a row change",
        why="The replica identity is what logical replication sends of an old row. FULL sends all "
        "of it, which makes the WAL large and the subscriber search by every column. NOTHING, on a "
        "published table, makes UPDATE and DELETE fail with 55000 on the publisher, in running "
        "code. Each takes ACCESS EXCLUSIVE for a moment.",
        remedy="Give the table a primary key, or REPLICA IDENTITY USING INDEX with a unique index "
        "on NOT NULL columns.",
        source=f"{_MANUAL}/logical-replication-publication.html",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS338",
        name="extension-managed-table",
        on=(ast.AlterTableStmt, ast.DropStmt, ast.IndexStmt),
        check=_extension_manages,
        summary="a table is changed that an extension manages",
        why="A table that belongs to an extension is made, changed and dropped by it. The next "
        "ALTER EXTENSION … UPDATE may fail on what was changed by hand or overwrite it, and a dump "
        "holds only the extension's name, so that the change is not restored.",
        remedy="Use the extension's own functions, or put the column or index into a table of "
        "your own.",
        source=f"{_MANUAL}/extend-extensions.html",
    ),
    Rule(
        code="MS429",
        name="table-inheritance",
        severity=Severity.INFO,
        on=(ast.CreateStmt, _Change.AT_AddInherit),
        check=_inherits,
        summary="a table becomes the heir of another",
        why="Queries, UPDATE and DELETE of a parent reach the rows of its heirs. A unique index or "
        "a foreign key of the parent does not: the same key may be in both, and a reference to a "
        "row of an heir is refused. INHERIT fails with 42804 where the heir lacks a column, a "
        "NOT NULL or a CHECK of the parent. Partitioning does what is usually meant.",
        remedy="Use a partitioned table, or a plain table with a foreign key.",
        source=f"{_MANUAL}/ddl-inherit.html#DDL-INHERIT-CAVEATS",
        fails="42804",
    ),
)
