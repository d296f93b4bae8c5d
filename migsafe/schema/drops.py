"""What DROP makes of a schema. Pure; judges nothing."""

from collections.abc import Callable
from typing import Any

from pglast import enums

from migsafe.schema import Key, Place, Schema, partitions, routines, tables, typed, uses

_Object = enums.ObjectType


def drop(schema: Schema, node: Any, place: Place) -> None:
    """Forget what the statement names, and with CASCADE what needs it."""
    if _may_miss(schema, node):
        schema.opaque.append(place)
    cascades = node.behavior == enums.DropBehavior.DROP_CASCADE
    for parts in node.objects:
        change = _DROPS.get(node.removeType)
        if change and isinstance(parts, tuple | list):
            change(schema, [part.sval for part in parts], cascades)
        elif node.removeType in (_Object.OBJECT_TYPE, _Object.OBJECT_DOMAIN):
            typed.drop(schema, parts.names, cascades=cascades)
        elif node.removeType in routines.OBJECTS:
            routines.drop(schema, parts, cascades=cascades)
        elif node.removeType == _Object.OBJECT_SCHEMA:
            _drop_schema(schema, parts.sval)


def _may_miss(schema: Schema, node: Any) -> bool:
    """Tell whether IF EXISTS may find nothing, for the index it means is not on the known path."""
    named = [parts for parts in node.objects if node.removeType == _Object.OBJECT_INDEX]
    return bool(node.missing_ok) and any(
        len(parts) == 1
        and (found := schema.index(None, parts[0].sval))
        and found[0].key.schema not in schema.path
        for parts in named
    )


def _drop_schema(schema: Schema, name: str) -> None:
    for key in [key for key in schema.tables if key.schema == name]:
        tables.drop_relation(schema, key, cascades=True)
    kinds: Any
    for kinds in (schema.enums, schema.domains, schema.composites, schema.sequences):
        for key in [key for key in kinds if key.schema == name]:
            del kinds[key]


def _named(schema: Schema, names: list[str]) -> Key:
    return schema.key(names[-2] if len(names) > 1 else None, names[-1])


def _drop_named(schema: Schema, names: list[str], cascades: bool) -> None:
    tables.drop_relation(schema, _named(schema, names), cascades=cascades)


def _drop_index(schema: Schema, names: list[str], _cascades: bool) -> None:
    if found := schema.index(names[-2] if len(names) > 1 else None, names[-1]):
        table, index = found
        del table.indexes[index.name]
        for child in schema.children(table.key):
            partitions.drop(child, index)


def _drop_trigger(schema: Schema, names: list[str], _cascades: bool) -> None:
    if table := schema.tables.get(_named(schema, names[:-1])):
        for member in (table, *schema.children(table.key)):
            member.triggers.pop(names[-1], None)


def _drop_policy(schema: Schema, names: list[str], _cascades: bool) -> None:
    if table := schema.tables.get(_named(schema, names[:-1])):
        table.policies.discard(names[-1])


def _drop_sequence(schema: Schema, names: list[str], cascades: bool) -> None:
    key = _named(schema, names)
    drawing = list(uses.drawing(schema, key)) if cascades else ()
    for _, column in drawing:
        column.default = None
    schema.sequences.pop(key, None)


_DROPS: dict[Any, Callable[[Schema, list[str], bool], None]] = {
    _Object.OBJECT_TABLE: _drop_named,
    _Object.OBJECT_VIEW: _drop_named,
    _Object.OBJECT_MATVIEW: _drop_named,
    _Object.OBJECT_FOREIGN_TABLE: _drop_named,
    _Object.OBJECT_INDEX: _drop_index,
    _Object.OBJECT_TRIGGER: _drop_trigger,
    _Object.OBJECT_POLICY: _drop_policy,
    _Object.OBJECT_SEQUENCE: _drop_sequence,
}
