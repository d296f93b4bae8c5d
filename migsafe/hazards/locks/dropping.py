"""The relation locks of dropping something: what is tied to it is locked as well. Pure."""

from collections.abc import Callable, Iterator
from typing import Any

from pglast import enums

from migsafe.hazards.locks.retyping import primary_key
from migsafe.hazards.locks.taking import Mode, Taking
from migsafe.schema import Key, Table, reading, typed, uses

_Object = enums.ObjectType
_AX = Mode.ACCESS_EXCLUSIVE


def take(taking: Taking, node: Any) -> None:
    """Note the locks of a DROP."""
    cascades = node.behavior == enums.DropBehavior.DROP_CASCADE
    for parts in node.objects:
        if drop := _DROPS.get(node.removeType):
            drop(taking, node, parts, cascades)


def _names(parts: Any) -> list[str]:
    found = getattr(parts, "names", None) or getattr(parts, "objname", None) or parts
    return [part.sval for part in (found if isinstance(found, tuple | list) else (found,))]


def _key(taking: Taking, names: list[str]) -> Key:
    return taking.schema.key(names[-2] if len(names) > 1 else None, names[-1])


def _relation(taking: Taking, node: Any, parts: Any, cascades: bool) -> None:
    key = _key(taking, _names(parts))
    if key in taking.schema.tables or not (node.missing_ok and taking.schema.complete):
        relation(taking, key, cascades=cascades)


def relation(taking: Taking, key: Key, *, cascades: bool) -> None:
    """Note a relation that goes, with its partitions, its parent and what its keys refer to."""
    if key in taking.locks:
        return
    table = taking.table(key)
    taking.take(key, _AX)
    _leave_parent(taking, table)
    for child in taking.heirs(key):
        if child.bound is not None or cascades:
            relation(taking, child.key, cascades=cascades)
    for made in table.constraints.values():
        if made.target and not _is_inherited(taking, table, made.name):
            taking.take_all(made.target, _AX)
    for sequence in sequences(taking, key):
        taking.take(sequence, _AX)
    if cascades:
        for other, _ in taking.schema.referrers(key):
            taking.take_all(other.key, _AX)
        for view in table.readers:
            relation(taking, view, cascades=True)


def _is_inherited(taking: Taking, table: Table, name: str) -> bool:
    """Tell whether a partition has a foreign key from its parent, which stays."""
    parents = table.parents if table.bound is not None else ()
    return any(name in taking.table(parent).constraints for parent in parents)


def _leave_parent(taking: Taking, table: Table) -> None:
    """Note the parent of a partition, and the default partition, whose bound changes."""
    for parent in table.parents if table.bound is not None else ():
        taking.take(parent, _AX)
        for other in taking.partitions(parent):
            if parent in other.parents and other.is_default():
                taking.take_all(other.key, _AX)


def sequences(taking: Taking, key: Key, column: str | None = None) -> Iterator[Key]:
    """Yield the sequences that a table, or one column of it, owns."""
    for sequence, owner in taking.schema.sequences.items():
        if owner and owner[0] == key and column in (None, owner[1]):
            yield sequence


def column(taking: Taking, table: Table, command: Any) -> None:
    """Note what DROP COLUMN locks beside the table."""
    for made in table.constraints.values():
        if made.target and command.name in made.columns:
            taking.take_all(made.target, _AX)
    for sequence in sequences(taking, table.key, command.name):
        taking.take(sequence, _AX)
    if command.behavior != enums.DropBehavior.DROP_CASCADE:
        return
    for other, made in taking.schema.referrers(table.key):
        if command.name in (made.target_columns or primary_key(table)):
            taking.take_all(other.key, _AX)
    for view, columns in table.readers.items():
        if command.name in columns or not columns:
            relation(taking, view, cascades=True)


def constraint(taking: Taking, table: Table, command: Any) -> None:
    """Note what DROP CONSTRAINT locks beside the table."""
    made = table.constraints.get(command.name)
    if made is None:
        return
    if made.target:
        taking.take_all(made.target, _AX)
    if made.kind in "pu" and command.behavior == enums.DropBehavior.DROP_CASCADE:
        _referrers(taking, table, set(made.columns))


def _index(taking: Taking, node: Any, parts: Any, cascades: bool) -> None:
    """Note the table of an index; of one that is not known, the index stands for it."""
    names = _names(parts)
    found = taking.schema.index(names[-2] if len(names) > 1 else None, names[-1])
    if found is None and node.missing_ok and taking.schema.complete:
        return
    key = found[0].key if found else _key(taking, names)
    mode = Mode.SHARE_UPDATE_EXCLUSIVE if node.concurrent else _AX
    taking.take_all(key, mode)
    if found and cascades:
        _referrers(taking, found[0], {name for name in found[1].columns if name})


def _referrers(taking: Taking, table: Table, columns: set[str]) -> None:
    """Note who refers to columns whose unique key goes; another such key may spare them."""
    for other, key in taking.schema.referrers(table.key):
        if set(key.target_columns or primary_key(table)) == columns:
            taking.take_all(other.key, _AX)


def _part(taking: Taking, node: Any, parts: Any, _cascades: bool) -> None:
    """Note the table of a trigger, policy or rule, which goes down to partitions as it came."""
    *table, name = _names(parts)
    key = _key(taking, table)
    taking.take(key, _AX)
    if node.removeType == _Object.OBJECT_TRIGGER and name in taking.table(key).triggers:
        taking.take_all(key, _AX)


def _schema(taking: Taking, _node: Any, parts: Any, cascades: bool) -> None:
    (name,) = _names(parts)
    for key in [*taking.schema.tables, *taking.schema.sequences] if cascades else ():
        if key.schema == name and key in taking.schema.tables:
            relation(taking, key, cascades=True)
        elif key.schema == name:
            taking.take(key, _AX)


def _sequence(taking: Taking, _node: Any, parts: Any, cascades: bool) -> None:
    key = _key(taking, _names(parts))
    taking.take(key, _AX)
    for use in uses.of_sequence(taking.schema, key) if cascades else ():
        taking.take(use.table.key, _AX)


def _type(taking: Taking, _node: Any, parts: Any, cascades: bool) -> None:
    schema = taking.schema
    kinds = {**schema.enums, **schema.domains, **schema.composites}
    key = reading.key_of(parts.names, schema, kinds)
    if key in schema.composites:
        taking.take(key, _AX)
    for table in schema.tables.values() if cascades else ():
        if table.of == key:
            relation(taking, table.key, cascades=True)
    for table, _ in typed.columns(schema, key) if cascades else ():
        taking.take(table.key, _AX)


def _function(taking: Taking, _node: Any, parts: Any, cascades: bool) -> None:
    for use in uses.of_function(taking.schema, _names(parts)[-1]) if cascades else ():
        taking.take(use.table.key, _AX)


def _extension(taking: Taking, _node: Any, parts: Any, cascades: bool) -> None:
    """Note the columns whose type has the extension's name, as citext and hstore do."""
    (name,) = _names(parts)
    for table in taking.schema.tables.values() if cascades else ():
        if any(column.type.name == name for column in table.columns.values()):
            taking.take(table.key, _AX)


_DROPS: dict[Any, Callable[[Taking, Any, Any, bool], None]] = {
    _Object.OBJECT_TABLE: _relation,
    _Object.OBJECT_FOREIGN_TABLE: _relation,
    _Object.OBJECT_VIEW: _relation,
    _Object.OBJECT_MATVIEW: _relation,
    _Object.OBJECT_INDEX: _index,
    _Object.OBJECT_TRIGGER: _part,
    _Object.OBJECT_POLICY: _part,
    _Object.OBJECT_RULE: _part,
    _Object.OBJECT_SCHEMA: _schema,
    _Object.OBJECT_SEQUENCE: _sequence,
    _Object.OBJECT_TYPE: _type,
    _Object.OBJECT_DOMAIN: _type,
    _Object.OBJECT_FUNCTION: _function,
    _Object.OBJECT_PROCEDURE: _function,
    _Object.OBJECT_ROUTINE: _function,
    _Object.OBJECT_EXTENSION: _extension,
}
