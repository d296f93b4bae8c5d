"""Hazards of the constraints that ADD COLUMN is written with."""

from collections.abc import Iterator
from typing import Any

from pglast import enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, columns
from migsafe.schema import expressions, reading
from migsafe.sql import Statement

_Change = enums.AlterTableType
_Kind = enums.ConstrType

_MANUAL = "https://www.postgresql.org/docs/current/sql-altertable.html"
_MEANWHILE = "so that nobody can use it meanwhile"


def _references(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    for part in columns.enforced(node.def_, _Kind.CONSTR_FOREIGN):
        added = columns.added(node, statement, context)
        if added is None:
            return
        parent = context.schema.key(part.pktable.schemaname, part.pktable.relname)
        locks = f"under ACCESS EXCLUSIVE, and blocks writes to {parent} with SHARE ROW EXCLUSIVE"
        # A DEFAULT that says NULL is checked as well.
        if columns.written(node.def_, _Kind.CONSTR_DEFAULT) or added.column.default is not None:
            message = f"checks the foreign key of {added.column.name} on all of {added.table.key} "
            yield Hit(f"{message}{locks}", added.table)
        else:
            message = f"adds {added.column.name} to {added.table.key} {locks}, both briefly"
            yield Hit(message, added.table, Severity.INFO)


def _unique(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if not columns.written(node.def_, _Kind.CONSTR_UNIQUE, _Kind.CONSTR_PRIMARY):
        return
    if added := columns.added(node, statement, context):
        message = (
            f"builds a unique index on {added.column.name} of {added.table.key} under ACCESS "
            f"EXCLUSIVE, {_MEANWHILE}"
        )
        constant = not columns.is_null(added.column.default) and _is_one_value(added, context)
        doubles = "; its default is the same in every row, so that two rows are too many"
        yield Hit(f"{message}{doubles if constant else ''}", added.table)


def _is_one_value(added: columns.Added, context: Context) -> bool:
    found = added.column
    computed = found.generated or found.identity or reading.is_serial(added.definition)
    return not computed and expressions.volatility(found.default, context.schema) in ("i", "s")


def _check(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    checks = any(columns.enforced(node.def_, _Kind.CONSTR_CHECK))
    if not checks and not columns.written(node.def_, _Kind.CONSTR_GENERATED):
        return
    added = columns.added(node, statement, context)
    computed = added is not None and added.column.generated == "v" and added.column.not_null
    if added and (checks or computed) and added.table.kind != "f":
        message = (
            f"reads all of {added.table.key} under ACCESS EXCLUSIVE to check {added.column.name}, "
            f"{_MEANWHILE}"
        )
        yield Hit(message, added.table)


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS108",
        name="add-column-inline-references",
        on=(_Change.AT_AddColumn,),
        check=_references,
        lock="ACCESS EXCLUSIVE",
        scans=True,
        weighed=True,
        summary="ADD COLUMN … REFERENCES locks the referenced table too",
        why="The new column's foreign key is made in the same statement: ACCESS EXCLUSIVE on the "
        "table stops every query of it, and SHARE ROW EXCLUSIVE on the referenced table stops "
        "writes there. Without a DEFAULT nothing has to be checked and both locks are brief, once "
        "they are granted. With a DEFAULT every row is checked while both are held. Measured on "
        "PostgreSQL 11 to 18.",
        remedy="Add the column first, then the foreign key NOT VALID, and validate it in a later "
        "migration.",
        source=_MANUAL,
    ),
    Rule(
        code="MS109",
        name="add-column-inline-unique",
        on=(_Change.AT_AddColumn,),
        check=_unique,
        lock="ACCESS EXCLUSIVE",
        weighed=True,
        summary="ADD COLUMN … UNIQUE builds an index while nobody can use the table",
        why="UNIQUE and PRIMARY KEY in ADD COLUMN build their index at once, under the ACCESS "
        "EXCLUSIVE lock of ALTER TABLE, so that reads and writes wait until every row was read. A "
        "constant default gives every row the same value, so that the index cannot even be built "
        "where there are two rows.",
        remedy="Add the column, fill it, build the index with CREATE UNIQUE INDEX CONCURRENTLY, "
        "and take it over with ADD CONSTRAINT … USING INDEX.",
        source=_MANUAL,
    ),
    Rule(
        code="MS206",
        name="add-column-inline-check",
        on=(_Change.AT_AddColumn,),
        check=_check,
        lock="ACCESS EXCLUSIVE",
        scans=True,
        weighed=True,
        summary="ADD COLUMN … CHECK reads the whole table while nobody can use it",
        why="A CHECK that is written with a new column is checked on every row at once, under "
        "ACCESS EXCLUSIVE, even where the column has no default and the answer is plain. So is NOT "
        "NULL of a VIRTUAL column, since 18. Measured on PostgreSQL 11 to 18.",
        remedy="Add the column, then the constraint NOT VALID, and validate it in a later "
        "migration.",
        source=_MANUAL,
    ),
)
