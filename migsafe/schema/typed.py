"""What renaming and dropping a type makes of the columns that have it. Pure; judges nothing."""

from collections.abc import Iterator
from typing import Any

from pglast import enums

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
            # Most are of another name, and there are many.
            if column.type.name == key.bare and is_of(column.type, key):
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


def rename_check(schema: Schema, node: Any) -> None:
    """Give a check of a domain another name."""
    domain = schema.domains.get(reading.key_of(node.object, schema, schema.domains))
    if domain and node.subname in domain.checks:
        domain.checks[node.newname] = domain.checks.pop(node.subname)
        if node.subname in domain.unproven:
            domain.unproven = domain.unproven - {node.subname} | {node.newname}


def _composite(schema: Schema, relation: Any) -> dict[str, Type]:
    """Return the columns of the composite type that a RangeVar names; a throw-away for none."""
    type_ = Type(relation.schemaname, relation.relname)
    found: dict[str, Type] | None = schema.typed(type_, schema.composites)
    return {} if found is None else found


def rename_attribute(schema: Schema, node: Any) -> None:
    """Give a column of a composite type another name."""
    columns = _composite(schema, node.relation)
    renamed = {node.newname if name == node.subname else name: columns[name] for name in columns}
    columns.clear()
    columns.update(renamed)


def alter(schema: Schema, node: Any) -> None:
    """Take in ALTER TYPE … ADD, DROP and ALTER ATTRIBUTE."""
    columns = _composite(schema, node.relation)
    for command in node.cmds or ():
        if command.subtype == enums.AlterTableType.AT_DropColumn:
            columns.pop(command.name, None)
        elif command.subtype == enums.AlterTableType.AT_AddColumn:
            columns[command.def_.colname] = reading.type_of(command.def_.typeName)
        elif command.subtype == enums.AlterTableType.AT_AlterColumnType:
            columns[command.name] = reading.type_of(command.def_.typeName)


def move(schema: Schema, names: Any, new: str) -> None:
    """Move a type to another schema, in its columns and in the domains over it too."""
    for kinds in _kinds(schema):
        key = reading.key_of(names, schema, kinds)
        if key in kinds:
            kinds[Key(new, key.bare)] = kinds.pop(key)
            for _, column in list(columns(schema, key)):
                column.type = column.type._replace(schema=new)
            for domain in schema.domains.values():
                if is_of(domain.base, key):
                    domain.base = domain.base._replace(schema=new)


def drop(schema: Schema, names: Any, *, cascades: bool) -> None:
    """Forget a type, and with CASCADE its columns."""
    for kinds in _kinds(schema):
        key = reading.key_of(names, schema, kinds)
        if key in kinds:
            del kinds[key]
            for table, column in list(columns(schema, key)) if cascades else ():
                table.columns.pop(column.name, None)
