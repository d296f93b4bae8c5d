"""The relation locks of CREATE, and of what fills and rebuilds what it makes. Pure."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.hazards.locks import altering, partitions
from migsafe.hazards.locks.taking import Mode, Taking, Work, is_on
from migsafe.schema import Key, tables

_Kind = enums.ConstrType


def create_table(taking: Taking, node: Any) -> None:
    """Note the parents of a new table, and what it refers to."""
    if node.if_not_exists and taking.key(node.relation) in taking.schema.tables:
        return
    own = tables.new_key(taking.schema, node.relation)
    for parent in node.inhRelations or ():
        key = taking.key(parent)
        taking.take(key, Mode.ACCESS_EXCLUSIVE if node.partbound else Mode.SHARE_UPDATE_EXCLUSIVE)
        if node.partbound:
            partitions.joins(taking, taking.table(key), own, node.partbound, scans=False)
    if node.ofTypename:
        taking.take(taking.composite(node.ofTypename.names), Mode.ACCESS_SHARE)
    for element in (*(node.tableElts or ()), *(node.constraints or ())):
        _element(taking, own, element)


def _element(taking: Taking, own: Key, element: Any) -> None:
    if isinstance(element, ast.TableLikeClause):
        taking.take(taking.key(element.relation), Mode.ACCESS_SHARE)
    elif isinstance(element, ast.ColumnDef):
        for part in element.constraints or ():
            _element(taking, own, part)
    elif element.contype == _Kind.CONSTR_FOREIGN:
        altering.references(taking, own, element, scans=False)


def create_foreign_table(taking: Taking, node: Any) -> None:
    """Note the parents of a new foreign table."""
    create_table(taking, node.base)


def create_schema(taking: Taking, node: Any) -> None:
    """Note what the tables refer to that are made along with a schema."""
    for element in node.schemaElts or ():
        if isinstance(element, ast.CreateStmt):
            create_table(taking, element)


def create_sequence(taking: Taking, node: Any) -> None:
    """Note the table that will own a sequence."""
    for key in owners(taking, node):
        taking.take(key, Mode.ACCESS_SHARE)


def owners(taking: Taking, node: Any) -> Iterator[Key]:
    """Yield the table of OWNED BY; OWNED BY NONE names none."""
    for item in node.options or ():
        names = [part.sval for part in item.arg] if item.defname == "owned_by" else []
        if len(names) > 1:
            yield taking.schema.key(names[-3] if len(names) > 2 else None, names[-2])


def create_table_as(taking: Taking, node: Any) -> None:
    """Note what the query of a new table or materialized view reads."""
    taking.read(node.query)


def create_view(taking: Taking, node: Any) -> None:
    """Note the view that is replaced, and what the new one is about."""
    old = taking.schema.tables.get(taking.key(node.view))
    if node.replace and old is not None:
        taking.take(old.key, Mode.ACCESS_EXCLUSIVE)
    for relation in tables.relations_in(node.query):
        taking.take(taking.key(relation), Mode.ACCESS_SHARE)


def refresh(taking: Taking, node: Any) -> None:
    """Note a materialized view and what it reads."""
    key = taking.key(node.relation)
    if node.concurrent:
        taking.take(key, Mode.EXCLUSIVE, Work.SCAN)
    else:
        taking.take(key, Mode.ACCESS_EXCLUSIVE, Work.REWRITE)
    query = taking.table(key).query
    if node.skipData:
        return
    if query is not None and not isinstance(query, str):
        taking.read(query)
        return
    for source in [table.key for table in taking.schema.tables.values() if key in table.readers]:
        taking.take_read(source, Mode.ACCESS_SHARE)


def create_index(taking: Taking, node: Any) -> None:
    """Note the table of a new index, and its partitions."""
    key = taking.key(node.relation)
    mode = Mode.SHARE_UPDATE_EXCLUSIVE if node.concurrent else Mode.SHARE
    if node.if_not_exists and node.idxname in taking.table(key).indexes:
        taking.take(key, mode)
    elif node.relation.inh:
        taking.take_all(key, mode, Work.BUILD)
    else:
        taking.take(key, mode, Work.MOMENT if taking.table(key).kind == "p" else Work.BUILD)


def reindex(taking: Taking, node: Any) -> None:
    """Note the tables of the indexes that are built anew."""
    kinds = enums.ReindexObjectType
    gently = any(item.defname == "concurrently" and is_on(item) for item in node.params or ())
    mode = Mode.SHARE_UPDATE_EXCLUSIVE if gently else Mode.SHARE
    if node.kind == kinds.REINDEX_OBJECT_TABLE:
        taking.take_all(taking.key(node.relation), mode, Work.BUILD)
    elif node.kind == kinds.REINDEX_OBJECT_INDEX:
        found = taking.schema.index(node.relation.schemaname, node.relation.relname)
        taking.take_all(found[0].key if found else taking.key(node.relation), mode, Work.BUILD)
    elif node.kind != kinds.REINDEX_OBJECT_SYSTEM:
        _reindex_all(taking, node.name if node.kind == kinds.REINDEX_OBJECT_SCHEMA else None, mode)


def _reindex_all(taking: Taking, schema: str | None, mode: Mode) -> None:
    for table in taking.schema.tables.values():
        if table.kind in "rm" and schema in (None, table.key.schema):
            taking.take(table.key, mode, Work.BUILD)


def create_trigger(taking: Taking, node: Any) -> None:
    """Note the table of a trigger, and its partitions where it is for each row."""
    take = taking.take_all if node.row else taking.take
    take(taking.key(node.relation), Mode.SHARE_ROW_EXCLUSIVE)
    if node.constrrel:
        taking.take(taking.key(node.constrrel), Mode.ACCESS_SHARE)


def create_rule(taking: Taking, node: Any) -> None:
    """Note the table of a rule."""
    taking.take(taking.key(node.relation), Mode.ACCESS_EXCLUSIVE)


def policy(taking: Taking, node: Any) -> None:
    """Note the table of a policy."""
    taking.take(taking.key(node.table), Mode.ACCESS_EXCLUSIVE)


def create_statistics(taking: Taking, node: Any) -> None:
    """Note the table of a statistics object."""
    for relation in node.relations:
        taking.take(taking.key(relation), Mode.SHARE_UPDATE_EXCLUSIVE)


def publication(taking: Taking, node: Any) -> None:
    """Note the tables that a publication names."""
    for item in node.pubobjects or ():
        if item.pubtable is not None:
            taking.take(taking.key(item.pubtable.relation), Mode.SHARE_UPDATE_EXCLUSIVE)
