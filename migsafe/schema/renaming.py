"""What RENAME and SET SCHEMA make of a schema. Pure; judges nothing."""

from collections.abc import Callable, Iterable
from typing import Any

from pglast import enums

from migsafe.schema import Key, Schema, Table, expressions, reading, routines, typed

_Object = enums.ObjectType


def rename(schema: Schema, node: Any) -> None:
    """Give something another name, with everything that refers to it."""
    if node.renameType in (_Object.OBJECT_COLUMN, _Object.OBJECT_ATTRIBUTE) and node.relation:
        _rename_column(schema, node)
    elif change := _PARTS.get(node.renameType):
        change(schema.table(node.relation), node.subname, node.newname)
    elif node.renameType == _Object.OBJECT_SCHEMA:
        _rename_schema(schema, node.subname, node.newname)
    elif node.renameType in (_Object.OBJECT_TYPE, _Object.OBJECT_DOMAIN):
        typed.rename(schema, node)
    elif node.renameType == _Object.OBJECT_DOMCONSTRAINT:
        typed.rename_check(schema, node)
    elif node.renameType in routines.OBJECTS:
        routines.rename(schema, node)
    elif node.relation is not None:
        _rename_relation(schema, node)


def _rename_constraint(table: Table, old: str, new: str) -> None:
    if old not in table.constraints or table.constraints[old].kind in reading.INDEXED:
        _move(table.indexes, old, new)
    _move(table.constraints, old, new)


def _rename_trigger(table: Table, old: str, new: str) -> None:
    if old in table.triggers:
        table.triggers[new] = table.triggers.pop(old)


def _rename_policy(table: Table, old: str, new: str) -> None:
    if old in table.policies:
        table.policies.remove(old)
        table.policies.add(new)


def _rename_rule(_table: Table, _old: str, _new: str) -> None:
    """Do nothing: rules are not followed."""


#: Parts of a relation, which the statement names too.
_PARTS: dict[Any, Callable[[Table, str, str], None]] = {
    _Object.OBJECT_TABCONSTRAINT: _rename_constraint,
    _Object.OBJECT_TRIGGER: _rename_trigger,
    _Object.OBJECT_POLICY: _rename_policy,
    _Object.OBJECT_RULE: _rename_rule,
}


def _rename_column(schema: Schema, node: Any) -> None:
    table = schema.find(node.relation)
    if table is None:
        typed.rename_attribute(schema, node)
        return
    for member in (table, *(schema.children(table.key) if node.relation.inh else ())):
        _rename_in_expressions(member, node.subname, node.newname)
        _move(member.columns, node.subname, node.newname)
        for part in (*member.constraints.values(), *member.indexes.values()):
            part.columns = _renamed(part.columns, node)
        for index in member.indexes.values():
            index.reads = _renamed(index.reads, node)
            index.included = _renamed(index.included, node)
        member.partition_key = _renamed(member.partition_key, node)
        for view, columns in member.readers.items():
            member.readers[view] = frozenset(_renamed(columns, node))
        for sequence, owner in schema.sequences.items():
            if owner == (member.key, node.subname):
                schema.sequences[sequence] = (member.key, node.newname)
    for other in schema.tables.values():
        for made in other.constraints.values():
            if made.target == table.key:
                made.target_columns = _renamed(made.target_columns, node)


def _renamed(names: Iterable[Any], node: Any) -> tuple[Any, ...]:
    return tuple(node.newname if name == node.subname else name for name in names)


def _rename_in_expressions(table: Table, old: str, new: str) -> None:
    for made in table.constraints.values():
        if made.expression is not None and old in made.columns:
            made.expression = expressions.renamed(made.expression, old, new)
    for index in table.indexes.values():
        if index.predicate is not None and old in index.reads:
            index.predicate = expressions.renamed(index.predicate, old, new)
    for column in table.columns.values():
        if column.generated and column.default is not None:
            column.default = expressions.renamed(column.default, old, new)


def _move(parts: dict[str, Any], old: str, new: str) -> None:
    """Give a part another name in its place, where it is known."""
    if old not in parts:
        return
    items = [(new if name == old else name, part) for name, part in parts.items()]
    parts.clear()
    parts.update(items)
    parts[new].name = new


def _rename_relation(schema: Schema, node: Any) -> None:
    relation = node.relation
    key = schema.key(relation.schemaname, relation.relname)
    if key in schema.tables:
        rekey(schema, key, Key(key.schema, node.newname))
    elif found := schema.index(relation.schemaname, relation.relname):
        table, index = found
        made = table.constraints.get(index.name)
        if made and made.kind in reading.INDEXED:
            _move(table.constraints, index.name, node.newname)
        _move(table.indexes, index.name, node.newname)
    elif key in schema.sequences:
        schema.sequences[Key(key.schema, node.newname)] = schema.sequences.pop(key)


def rekey(schema: Schema, old: Key, new: Key) -> None:
    """Move a relation to another name, with everything that refers to it."""
    table = schema.tables.pop(old)
    table.key = new
    schema.tables[new] = table
    for other in schema.tables.values():
        other.parents = tuple(new if parent == old else parent for parent in other.parents)
        if old in other.readers:
            other.readers[new] = other.readers.pop(old)
        for made in other.constraints.values():
            if made.target == old:
                made.target = new
    for sequence, owner in list(schema.sequences.items()):
        if owner and owner[0] == old:  # it moves along into another schema
            del schema.sequences[sequence]
            schema.sequences[Key(new.schema, sequence.bare)] = (new, owner[1])


def _rename_schema(schema: Schema, old: str, new: str) -> None:
    for key in [key for key in schema.tables if key.schema == old]:
        rekey(schema, key, Key(new, key.bare))
    kinds: Any
    for kinds in (schema.enums, schema.domains, schema.composites, schema.sequences):
        for key in [key for key in kinds if key.schema == old]:
            kinds[Key(new, key.bare)] = kinds.pop(key)


def set_schema(schema: Schema, node: Any) -> None:
    """Move something to another schema."""
    if node.relation is None:
        if node.objectType in (_Object.OBJECT_TYPE, _Object.OBJECT_DOMAIN):
            typed.move(schema, node.object, node.newschema)
        return
    key = schema.key(node.relation.schemaname, node.relation.relname)
    if key in schema.tables:
        rekey(schema, key, Key(node.newschema, key.bare))
    elif key in schema.sequences:
        schema.sequences[Key(node.newschema, key.bare)] = schema.sequences.pop(key)
