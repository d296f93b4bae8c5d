"""What CREATE VIEW, and tables and materialized views of a query, make of a schema. Pure."""

from typing import Any

from pglast import ast, enums

from migsafe.schema import Key, Place, Schema, Table, expressions, outputs, reading, tables


def create_table_as(schema: Schema, node: Any, place: Place) -> None:
    """Take in a table or materialized view made from a query."""
    key = tables.new_key(schema, node.into.rel)
    if node.if_not_exists and key in schema.tables:
        return
    kind: Any = "m" if node.objtype == enums.ObjectType.OBJECT_MATVIEW else "r"
    schema.tables[key] = Table(
        key=key,
        kind=kind,
        made=place,
        lenient=bool(node.if_not_exists),
        query=node.query,
        populated=not node.into.skipData,
    )
    tables.note_passing(schema, key, node.into, place)
    if kind == "m":
        _note_readers(schema, key, node.query)


def create_view(schema: Schema, node: Any, place: Place) -> None:
    """Take in a view, in the place of the one that it replaces."""
    key = tables.new_key(schema, node.view)
    old = schema.tables.get(key)
    told = outputs.of_view(node, schema)
    schema.tables[key] = Table(
        key=key,
        kind="v",
        known=told is not None,
        columns=outputs.columns(told or ()),
        made=old.made if old else place,
        live=old.live if old else None,
        query=node.query,
        readers=old.readers if old else {},
    )
    _forget_reader(schema, key)
    _note_readers(schema, key, node.query)


def _note_readers(schema: Schema, view: Key, query: Any) -> None:
    """Note a view with each table that its query names, and the columns that it may need.

    A view that needs none, such as one that counts rows, has only the empty name.
    """
    names = frozenset(reading.names_in(query)) or frozenset({""})
    for relation in tables.relations_in(query):
        if source := schema.find(relation):
            source.readers[view] = names if not _has_star(query) else frozenset()


def _has_star(node: Any) -> bool:
    return any(True for _ in expressions.nodes(node, ast.A_Star))


def _forget_reader(schema: Schema, view: Key) -> None:
    for table in [one for one in schema.tables.values() if view in one.readers]:
        del table.readers[view]
