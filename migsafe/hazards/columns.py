"""The columns that subcommands of ALTER TABLE speak of. Pure; no rule lives here."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from pglast import ast, enums

from migsafe.hazards.context import Context
from migsafe.schema import Column, Table, expressions, reading
from migsafe.sql import Statement

_Object = enums.ObjectType
_Change = enums.AlterTableType


class Added(NamedTuple):
    """A column that a statement adds to a table, and its ColumnDef."""

    table: Table
    column: Column
    definition: Any


def added(command: Any, statement: Statement, context: Context) -> Added | None:
    """Return what ADD COLUMN adds, None where it does nothing or adds to a composite type."""
    found = table(statement, context)
    if found is None or (command.missing_ok and command.def_.colname in found.columns):
        return None
    return Added(found, reading.column(command.def_, context.schema), command.def_)


def table(statement: Statement, context: Context) -> Table | None:
    """Return the table that ALTER TABLE changes, None for views and types, and for one not there.

    One that is not known is noted as such.
    """
    node = statement.node
    if node.objtype not in (_Object.OBJECT_TABLE, _Object.OBJECT_FOREIGN_TABLE):
        return None
    found = context.table(node.relation)
    absent = context.schema.complete and found.live is None and found.made is None
    return None if found.kind in "vm" or (node.missing_ok and absent) else found


def written(definition: Any, *kinds: Any) -> bool:
    """Tell whether a ColumnDef is written with a constraint of one of these kinds."""
    return any(part.contype in kinds for part in definition.constraints or ())


def enforced(definition: Any, kind: Any) -> Iterator[Any]:
    """Yield the constraints of one kind that a ColumnDef is written with, and that are held."""
    for part, attributes in reading.inline(definition):
        if part.contype == kind and reading.is_enforced(part, attributes):
            yield part


def siblings(statement: Statement, subtype: Any) -> Iterator[Any]:
    """Yield the subcommands of one kind of the same ALTER TABLE."""
    return (command for command in statement.node.cmds or () if command.subtype == subtype)


def family(found: Table, statement: Statement, context: Context) -> list[Table]:
    """Return the table and, unless ONLY is said, its partitions and heirs."""
    heirs = context.schema.children(found.key) if statement.node.relation.inh else ()
    return [found, *heirs]


def is_new(found: Table, name: str, context: Context) -> bool:
    """Tell whether no code can use the column yet: the migration, or a pending one, adds it."""
    column = found.columns.get(name)
    if column is not None and column.live is None and context.schema.complete:
        return True
    added = column.added if column is not None else None
    return added is not None and added.migration == context.unit.name


def is_null(expression: Any) -> bool:
    """Tell whether a default is none, or the constant NULL."""
    return expression is None or (isinstance(expression, ast.A_Const) and bool(expression.isnull))


def has_no_null(table: Table, name: str, statement: Statement, context: Context) -> bool:
    """Tell whether the server knows without reading that a column holds no NULL.

    The CHECK has to be valid before the statement: one that it validates itself comes too late,
    and what it drops is gone before the server looks.
    """
    gone = {command.name for command in siblings(statement, _Change.AT_DropConstraint)}
    column = table.columns.get(name)
    if table.kind == "f" or (column and column.not_null):
        return True
    return context.at_least(12) and any(
        made.kind == "c"
        and made.valid
        and made.enforced
        and made.name not in gone
        and expressions.proves_not_null(made.expression, name)
        for made in table.constraints.values()
    )
