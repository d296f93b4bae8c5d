"""What ALTER COLUMN TYPE does to a table, and to those that its foreign keys tie to it. Pure."""

from collections.abc import Iterator
from typing import Any

from pglast import ast

from migsafe.hazards.locks.taking import Mode, Taking, Work
from migsafe.schema import Column, Constraint, Index, Table, casts, reading


def work(taking: Taking, table: Table, command: Any) -> Work:
    """Return the longest work; of a column that is not known, and of USING, the rewrite."""
    column = table.columns.get(command.name)
    if column is None or not _keeps(taking, column, command):
        return Work.REWRITE
    if any(_is_built(taking, column, command, index) for index in table.indexes.values()):
        return Work.BUILD
    checked = any(
        made.kind == "c" and made.valid and column.name in made.columns
        for made in table.constraints.values()
    )
    return Work.SCAN if checked else Work.MOMENT


def _keeps(taking: Taking, column: Column, command: Any) -> bool:
    using = command.def_.raw_default
    if using is not None and not _is_column(using, column.name, command.def_.typeName):
        return False
    new = reading.type_of(command.def_.typeName)
    utc = taking.utc and taking.at_least(12)
    return casts.keeps(column.type, new, taking.schema, utc=utc)


def _is_column(using: Any, name: str, wanted: Any) -> bool:
    """Tell whether USING is the column itself, cast to no other type than the new one."""
    if isinstance(using, ast.TypeCast):
        same = reading.type_of(using.typeName) == reading.type_of(wanted)
        return same and _is_column(using.arg, name, wanted)
    fields: Any = getattr(using, "fields", ()) if isinstance(using, ast.ColumnRef) else ()
    return bool(fields) and getattr(fields[-1], "sval", None) == name


def _is_built(taking: Taking, column: Column, command: Any, index: Index) -> bool:
    """Tell whether an index cannot be kept: an expression and a predicate are never compared."""
    if column.name in index.reads and not index.plain:
        return True
    if column.name not in index.columns:
        return False
    collation = reading.collation_of(command.def_.collClause)
    new = reading.type_of(command.def_.typeName)
    same = casts.same_order(column.type, new, taking.schema)
    return not same or collation != column.collation


def beside(taking: Taking, table: Table, command: Any) -> None:
    """Note the other ends of the column's foreign keys, which are made anew."""
    scan = Work.MOMENT if _compares_alike(taking, table, command) else Work.SCAN
    for made, other in _ties(taking, table, command.name):
        ends = {table.key, other.key}
        for end in ends:
            taking.take_all(end, Mode.ACCESS_EXCLUSIVE, scan if made.valid else Work.MOMENT)


def _compares_alike(taking: Taking, table: Table, command: Any) -> bool:
    """Tell whether the old proof of a foreign key holds: TryReuseForeignKey."""
    column = table.columns.get(command.name)
    new = reading.type_of(command.def_.typeName)
    return (
        column is not None
        and _keeps(taking, column, command)
        and casts.same_order(column.type, new, taking.schema)
    )


def _ties(taking: Taking, table: Table, name: str) -> Iterator[tuple[Constraint, Table]]:
    for made in table.constraints.values():
        if made.target and name in made.columns:
            yield made, taking.table(made.target)
    for other, made in taking.schema.referrers(table.key):
        if name in (made.target_columns or primary_key(table)):
            yield made, other


def primary_key(table: Table) -> tuple[str, ...]:
    """Return the columns of the primary key, none where it is not known."""
    keys = (made.columns for made in table.constraints.values() if made.kind == "p")
    return next(keys, ())
