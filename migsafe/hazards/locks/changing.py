"""The relation locks of ALTER, COMMENT and GRANT. Pure."""

from typing import Any

from pglast import ast, enums

from migsafe.hazards.locks import altering, dropping, making, working
from migsafe.hazards.locks.taking import Mode, Taking, Work
from migsafe.schema import Key, reading, typed

_Object = enums.ObjectType


def alter(taking: Taking, node: Any) -> None:
    """Note the locks of an ALTER with subcommands: of a table, or what is parsed like one."""
    if node.objtype == _Object.OBJECT_INDEX:
        _alter_index(taking, node)
    elif node.objtype == _Object.OBJECT_TYPE:
        _alter_composite(taking, node)
    else:
        altering.take(taking, node)


def _alter_index(taking: Taking, node: Any) -> None:
    """Note the tables of ATTACH PARTITION; the rest locks nothing but the index."""
    found = taking.schema.index(node.relation.schemaname, node.relation.relname)
    attaches = any(
        command.subtype == enums.AlterTableType.AT_AttachPartition for command in node.cmds
    )
    if found and attaches:
        taking.take_all(found[0].key, Mode.ACCESS_SHARE)


def _alter_composite(taking: Taking, node: Any) -> None:
    names = tuple(
        ast.String(sval=part) for part in (node.relation.schemaname, node.relation.relname) if part
    )
    _change_composite(taking, taking.composite(names))


def _change_composite(taking: Taking, key: Key) -> None:
    """Note a composite type and the tables that are made of it."""
    taking.take(key, Mode.ACCESS_EXCLUSIVE)
    for table in taking.schema.tables.values():
        if table.of == key:
            taking.take(table.key, Mode.ACCESS_EXCLUSIVE)


def rename(taking: Taking, node: Any) -> None:
    """Note the locks of a RENAME; a name of an index locks nothing else."""
    kind = node.renameType
    if kind == _Object.OBJECT_ATTRIBUTE:
        _alter_composite(taking, node)
    elif kind == _Object.OBJECT_TYPE:
        key = taking.composite(node.object)
        if key in taking.schema.composites:
            taking.take(key, Mode.ACCESS_EXCLUSIVE)
    elif node.relation is not None and kind != _Object.OBJECT_INDEX:
        _rename_relation(taking, node, kind)


def _rename_relation(taking: Taking, node: Any, kind: Any) -> None:
    key = taking.key(node.relation)
    taking.take(key, Mode.ACCESS_EXCLUSIVE)
    table = taking.table(key)
    triggers = kind == _Object.OBJECT_TRIGGER and taking.at_least(15)
    if kind in (_Object.OBJECT_COLUMN, _Object.OBJECT_TABCONSTRAINT):
        for heir in taking.heirs(table.key):
            taking.take(heir.key, Mode.ACCESS_EXCLUSIVE)
    elif triggers:
        taking.take_all(key, Mode.ACCESS_EXCLUSIVE)


_WITH_ROWS = {
    _Object.OBJECT_TABLE,
    _Object.OBJECT_VIEW,
    _Object.OBJECT_MATVIEW,
    _Object.OBJECT_SEQUENCE,
    _Object.OBJECT_FOREIGN_TABLE,
}


def set_schema(taking: Taking, node: Any) -> None:
    """Note a relation and its sequences, which move with it."""
    if node.objectType not in _WITH_ROWS:
        return
    key = taking.key(node.relation)
    for one in (key, *dropping.sequences(taking, key)):
        taking.take(one, Mode.ACCESS_EXCLUSIVE)


def set_owner(taking: Taking, node: Any) -> None:
    """Note a composite type; the owner of a relation is set by ALTER TABLE."""
    if node.objectType == _Object.OBJECT_TYPE:
        key = taking.composite(node.object)
        if key in taking.schema.composites:
            taking.take(key, Mode.ACCESS_EXCLUSIVE)


def alter_sequence(taking: Taking, node: Any) -> None:
    """Note a sequence, which gets a new file unless nothing but its owner changes."""
    names = [item.defname for item in node.options or ()]
    work = Work.REWRITE if set(names) - {"owned_by"} else Work.MOMENT
    taking.take(taking.key(node.sequence), Mode.SHARE_ROW_EXCLUSIVE, work)
    for key in making.owners(taking, node):
        taking.take(key, Mode.ACCESS_SHARE)


def alter_domain(taking: Taking, node: Any) -> None:
    """Note every table with the domain, where its values are checked: ADD, VALIDATE, NOT NULL."""
    adds = node.subtype == "C" and working.is_validated(node.def_)
    if not adds and node.subtype not in ("V", "O"):
        return
    todo = [reading.key_of(node.typeName, taking.schema, taking.schema.domains)]
    for key in todo:
        for table, _ in typed.columns(taking.schema, key):
            if table.kind != "p":
                taking.take(table.key, Mode.SHARE, Work.SCAN)
        domains = taking.schema.domains.items()
        todo += [one for one, domain in domains if typed.is_of(domain.base, key)]


def comment(taking: Taking, node: Any) -> None:
    """Note the relation that a COMMENT is about."""
    names = _strings(node.object)
    if node.objtype in _WITH_ROWS:
        taking.take(_named(taking, names), Mode.SHARE_UPDATE_EXCLUSIVE)
    elif node.objtype == _Object.OBJECT_COLUMN:
        taking.take(_named(taking, names[:-1]), Mode.SHARE_UPDATE_EXCLUSIVE)
    elif node.objtype in _PARTS:
        taking.take(_named(taking, names[:-1]), Mode.ACCESS_SHARE)


_PARTS = {
    _Object.OBJECT_TABCONSTRAINT,
    _Object.OBJECT_TRIGGER,
    _Object.OBJECT_POLICY,
    _Object.OBJECT_RULE,
}


def _strings(parts: Any) -> list[str]:
    return [part.sval for part in parts or ()] if isinstance(parts, tuple | list) else []


def _named(taking: Taking, names: list[str]) -> Key:
    return taking.schema.key(names[-2] if len(names) > 1 else None, names[-1])


def grant(taking: Taking, node: Any) -> None:
    """Note the tables, which GRANT locks since 18."""
    on_tables = node.targtype == enums.GrantTargetType.ACL_TARGET_OBJECT
    if on_tables and node.objtype == _Object.OBJECT_TABLE and taking.at_least(18):
        for relation in node.objects:
            taking.take(taking.key(relation), Mode.ACCESS_SHARE)
