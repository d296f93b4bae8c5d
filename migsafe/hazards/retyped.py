"""One ALTER COLUMN TYPE, as far as a schema tells what it changes. Pure; no rule lives here."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from msgspec import Struct
from pglast import ast

from migsafe.hazards import columns
from migsafe.hazards.context import Context
from migsafe.schema import Column, Index, Key, Schema, Table, Type, casts, reading
from migsafe.sql import Statement


class Step(NamedTuple):
    """One cast on the way from the old type to the new; the last is an assignment's."""

    old: Type
    new: Type
    explicit: bool


class Change(Struct, frozen=True):
    """A column that gets another type; `column` is None where the schema does not know it.

    `using` is the expression of USING. `casts` are the types that it casts the column to, one
    after another; None says that it computes something else.
    """

    table: Table
    name: str
    column: Column | None
    new: Type
    collation: str | None
    using: Any
    casts: tuple[Type, ...] | None

    def __str__(self) -> str:
        """Return the column as a reader calls it."""
        return f"{self.name} of {self.table.key}"

    def steps(self) -> list[Step]:
        """Return the casts from the old type to the new, none where one of them is not known."""
        if self.column is None or self.casts is None:
            return []
        path = [self.column.type, *self.casts, self.new]
        pairs = list(pairwise(path))
        return [Step(old, new, explicit=at < len(pairs)) for at, (old, new) in enumerate(pairs, 1)]


def change(command: Any, statement: Statement, context: Context) -> Change | None:
    """Return what ALTER COLUMN TYPE changes, None where that is no table's."""
    table = columns.table(statement, context)
    if table is None:
        return None
    definition = command.def_
    collation = reading.collation_of(definition.collClause)
    return Change(
        table=table,
        name=command.name,
        column=table.columns.get(command.name),
        new=reading.type_of(definition.typeName),
        collation=None if collation == "default" else collation,
        using=definition.raw_default,
        casts=_casts(definition.raw_default, command.name),
    )


def _casts(using: Any, name: str) -> tuple[Type, ...] | None:
    found: list[Type] = []
    while isinstance(using, ast.TypeCast):
        found.insert(0, reading.type_of(using.typeName))
        using = using.arg
    fields: Any = getattr(using, "fields", ()) if isinstance(using, ast.ColumnRef) else ()
    is_column = bool(fields) and getattr(fields[-1], "sval", None) == name
    return tuple(found) if using is None or is_column else None


def rewrites(found: Change, context: Context) -> bool | None:
    """Tell whether the table is written anew, None where the old type is not known."""
    if found.table.kind == "f":
        return False
    if found.casts is None:
        return True
    if found.column is None:
        return None
    utc = context.utc and context.at_least(12)
    return not all(
        casts.keeps(step.old, step.new, context.schema, utc=utc) for step in found.steps()
    )


def rebuilt(found: Change, schema: Schema) -> Iterator[Index]:
    """Yield the indexes that are built anew although the rows stay as they are.

    The server never compares expressions and predicates: an index with one that needs the column
    is built anew whatever changes. Source: CheckIndexCompatible; measured on 15 and 18.
    """
    if found.column is None:
        return
    moved = found.collation != found.column.collation or not casts.same_order(
        found.column.type, found.new, schema
    )
    for index in found.table.indexes.values():
        keyed = found.name in index.columns
        needed = keyed or found.name in (*index.included, *index.reads)
        if (needed and not index.plain) or (keyed and moved):
            yield index


def tied(found: Change, schema: Schema) -> list[Key]:
    """Return the other tables of the column's foreign keys, which are made anew."""
    others = [
        made.target
        for made in found.table.constraints.values()
        if made.kind == "f" and made.target and found.name in made.columns
    ]
    for table, made in schema.referrers(found.table.key):
        if found.name in (made.target_columns or _primary_key(found.table)):
            others.append(table.key)
    return [key for key in dict.fromkeys(others) if key != found.table.key]


def _primary_key(table: Table) -> tuple[str, ...]:
    keys = (made.columns for made in table.constraints.values() if made.kind == "p")
    return next(keys, ())
