"""What renaming and dropping a type makes of the columns that have it. Pure; judges nothing."""

from collections.abc import Iterator
from typing import Any

from migsafe.schema import Column, Key, Schema, Table, Type, reading


def _kinds(schema: Schema) -> tuple[dict[Key, Any], ...]:
    return schema.enums, schema.domains, schema.composites


def is_of(type_: Type, key: Key) -> bool:
    """Tell whether a column's type is this one; a name without a schema may be."""
    return type_.name == key.bare and type_.schema in (None, key.schema)


def columns(schema: Schema, key: Key) -> Iterator[tuple[Table, Column]]:
    """Yield the columns of a type, arrays of it included."""
    for table in schema.tables.values():
        for column in table.columns.values():
            if is_of(column.type, key):
                yield table, column


def rename(schema: Schema, node: Any) -> None:
    """Give a type another name, in its columns and in the domains over it too.

    One whose making is not known is still another type than the next one of that name.
    """
    old = reading.key_of(node.object, schema, {})
    for kinds in _kinds(schema):
        known = reading.key_of(node.object, schema, kinds)
        if known in kinds:
            old = known
            kinds[Key(old.schema, node.newname)] = kinds.pop(old)
    for _, column in list(columns(schema, old)):
        column.type = column.type._replace(name=node.newname)
    for domain in schema.domains.values():
        if is_of(domain.base, old):
            domain.base = domain.base._replace(name=node.newname)


def drop(schema: Schema, names: Any, *, cascades: bool) -> None:
    """Forget a type, and with CASCADE its columns."""
    for kinds in _kinds(schema):
        key = reading.key_of(names, schema, kinds)
        if key in kinds:
            del kinds[key]
            for table, column in list(columns(schema, key)) if cascades else ():
                table.columns.pop(column.name, None)
