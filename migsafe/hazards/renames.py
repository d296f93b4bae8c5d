"""Hazards of names: what is renamed, moved to another schema, or gone for code that runs now."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, around, columns
from migsafe.schema import Key, Table, reading
from migsafe.sql import Statement

_Object = enums.ObjectType
_Change = enums.AlterTableType

_MANUAL = "https://www.postgresql.org/docs/current/sql-altertable.html"

_RELATIONS = {
    _Object.OBJECT_TABLE: "the table",
    _Object.OBJECT_FOREIGN_TABLE: "the foreign table",
    _Object.OBJECT_VIEW: "the view",
    _Object.OBJECT_MATVIEW: "the materialized view",
    _Object.OBJECT_SEQUENCE: "the sequence",
}

_ROUTINES = {
    _Object.OBJECT_FUNCTION: "the function",
    _Object.OBJECT_PROCEDURE: "the procedure",
    _Object.OBJECT_ROUTINE: "the routine",
    _Object.OBJECT_AGGREGATE: "the aggregate",
}


def _table(node: Any, context: Context) -> Table:
    """Return the relation that a statement names, without noting one that is not known."""
    key = context.schema.key(node.relation.schemaname, node.relation.relname)
    return context.schema.tables.get(key) or Table(key=key)


# ---------------------------------------------------------------- columns and tables


def _rename_column(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if node.renameType != _Object.OBJECT_COLUMN or node.relation is None:
        return
    table = _table(node, context)
    if not columns.is_new(table, node.subname, context):
        message = (
            f"code and functions that name {node.subname} of {table.key} fail from then on, while "
            "views follow; ACCESS EXCLUSIVE for a moment"
        )
        yield Hit(message, table)


def _rename_table(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if node.renameType not in (_Object.OBJECT_TABLE, _Object.OBJECT_FOREIGN_TABLE):
        return
    table = _table(node, context)
    if table.kind in "vm" or _view_follows(table.key, context):
        return
    if _table_follows(table.key, context):
        message = (
            f"another table takes the name {table.key} in the same migration: code goes on with "
            "that one, whose rows and columns have to be the same"
        )
        yield Hit(message, table, Severity.INFO)
    else:
        message = (
            f"code and functions that name {table.key} fail from then on, while views follow; "
            "ACCESS EXCLUSIVE for a moment"
        )
        yield Hit(message, table)


def _view_follows(key: Key, context: Context) -> bool:
    """Tell whether the migration goes on to make a view of that name, for code that runs now."""
    views = around.later(context, ast.ViewStmt)
    return any(context.schema.key(v.view.schemaname, v.view.relname) == key for v in views)


def _table_follows(key: Key, context: Context) -> bool:
    for node in around.later(context, (ast.RenameStmt, ast.CreateStmt)):
        relation = node.relation
        schema = relation.schemaname if relation else None
        name = node.newname if isinstance(node, ast.RenameStmt) else relation.relname
        if relation and name == key.bare and schema in (None, key.schema):
            return True
    return False


# ---------------------------------------------------------------- views, sequences, parts


def _rename_other(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    kind = node.renameType
    if kind == _Object.OBJECT_TABCONSTRAINT:
        table = _table(node, context)
        message = (
            f"takes ACCESS EXCLUSIVE on {table.key} for a moment; code that names the constraint "
            f"{node.subname} (ON CONFLICT, error handling) no longer finds it"
        )
        yield Hit(message, table, Severity.INFO)
    elif kind == _Object.OBJECT_INDEX:
        yield from _rename_index(node, context)
    elif kind in _ROUTINES:
        name = ".".join(part.sval for part in node.object.objname)
        yield Hit(f"code, functions and triggers' functions that call {name}() fail from then on")
    elif node.relation is not None and kind in _RELATIONS:
        table = _table(node, context)
        if kind not in (_Object.OBJECT_TABLE, _Object.OBJECT_FOREIGN_TABLE) or table.kind in "vm":
            message = (
                f"code and functions that name {table.key} fail from then on; ACCESS EXCLUSIVE for "
                "a moment"
            )
            yield Hit(message, table)


def _rename_index(node: Any, context: Context) -> Iterator[Hit]:
    found = context.schema.index(node.relation.schemaname, node.relation.relname)
    made = found[1].made if found else None
    if made is None or made.migration != context.unit.name:
        mode = "SHARE UPDATE EXCLUSIVE" if context.at_least(12) else "ACCESS EXCLUSIVE"
        message = (
            f"code that names the index {node.relation.relname} (REINDEX, pg_hint_plan) no longer "
            f"finds it; only the index is locked, with {mode}"
        )
        yield Hit(message, found[0] if found else None, Severity.INFO)


# ---------------------------------------------------------------- schemas


def _rename_schema(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if node.renameType == _Object.OBJECT_SCHEMA and not _is_new_schema(node.subname, context):
        yield Hit(
            f"every name that is written with the schema {node.subname}, in code, functions and "
            "search_path, leads nowhere from then on; no relation is locked"
        )


def _is_new_schema(name: str, context: Context) -> bool:
    made = (one.node for one in context.before if isinstance(one.node, ast.CreateSchemaStmt))
    return any(node.schemaname == name for node in made)


def _set_schema(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if node.relation is not None:
        table = _table(node, context)
        message = (
            f"moves {table.key} to the schema {node.newschema}: code that names its schema, or has "
            "another search_path, no longer finds it; ACCESS EXCLUSIVE for a moment"
        )
        yield Hit(message, table)
    elif node.objectType in _ROUTINES or node.objectType in _TYPES:
        parts = getattr(node.object, "objname", None) or node.object
        name = ".".join(part.sval for part in parts)
        yield Hit(
            f"moves {name} to the schema {node.newschema}: code that names its schema, or has "
            "another search_path, no longer finds it"
        )


_TYPES = (_Object.OBJECT_TYPE, _Object.OBJECT_DOMAIN)


# ---------------------------------------------------------------- everything that code can name


def _incompatible(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if isinstance(node, ast.AlterTableCmd) and node.name:
        table = columns.table(statement, context)
        if table is not None and not columns.is_new(table, node.name, context):
            yield Hit(_gone(f"{node.name} of {table.key}"), table)
    elif isinstance(node, ast.DropStmt):
        yield from _dropped(node, context)
    elif isinstance(node, ast.RenameStmt):
        for check in (_rename_column, _rename_table, _rename_other, _rename_schema):
            yield from (hit for hit in check(node, statement, context) if hit.severity is None)
    elif isinstance(node, ast.AlterEnumStmt):
        if node.oldVal:
            key = reading.key_of(node.typeName, context.schema, context.schema.enums)
            yield Hit(_gone(f"a label of {key}"))
    else:
        yield from _set_schema(node, statement, context)


def _dropped(node: Any, context: Context) -> Iterator[Hit]:
    word = _RELATIONS.get(node.removeType) or _ROUTINES.get(node.removeType)
    for parts in node.objects if word else ():
        names = [part.sval for part in getattr(parts, "objname", None) or parts]
        key = context.schema.key(names[-2] if len(names) > 1 else None, names[-1])
        found = context.schema.tables.get(key) if node.removeType in _RELATIONS else None
        yield Hit(_gone(f"{word} {'.'.join(names)}"), found)


def _gone(what: str) -> str:
    return f"code that runs now and names {what} fails from then on"


_EXPAND = (
    "Add the new one beside the old one, let code write both, move readers over, and drop the old "
    "one when nothing names it any more."
)

RULES: tuple[Rule, ...] = (
    Rule(
        code="MS112",
        name="rename-other",
        on=(ast.RenameStmt,),
        check=_rename_other,
        lock="ACCESS EXCLUSIVE",
        summary="code that names a renamed view, sequence, function or constraint fails",
        why="Renaming a view or a sequence takes ACCESS EXCLUSIVE on it for a moment, a constraint "
        "on its table; an index is renamed under SHARE UPDATE EXCLUSIVE of the index alone. What "
        "the server itself keeps by number follows; names in code and in the bodies of functions "
        "do not, and fail when they run.",
        remedy="Make a second one with the new name, and drop the old one when nothing names it.",
        source="https://www.postgresql.org/docs/current/sql-alterview.html",
    ),
    Rule(
        code="MS314",
        name="rename-column",
        on=(ast.RenameStmt,),
        check=_rename_column,
        lock="ACCESS EXCLUSIVE",
        summary="code that names a renamed column fails at once",
        why="The rename is brief, but it holds for everybody from COMMIT on. Code that still runs "
        "sends the old name and fails, until the new code is everywhere. Views keep working, since "
        "they hold columns by number; functions in SQL and PL/pgSQL hold their text and fail when "
        "they run. Measured on PostgreSQL 11 to 18.",
        remedy=_EXPAND,
        source=_MANUAL,
    ),
    Rule(
        code="MS315",
        name="rename-table",
        on=(ast.RenameStmt,),
        check=_rename_table,
        lock="ACCESS EXCLUSIVE",
        summary="code that names a renamed table fails at once",
        why="The rename is brief, but it holds for everybody from COMMIT on. Code that still runs "
        "sends the old name and fails, until the new code is everywhere. A view with the old name, "
        "made in the same transaction, lets it go on: PostgreSQL passes writes to a simple view on "
        "to its table.",
        remedy="Make a view with the old name in the same transaction, and drop it when nothing "
        "names it any more.",
        source="https://www.postgresql.org/docs/current/sql-createview.html",
    ),
    Rule(
        code="MS316",
        name="rename-schema",
        on=(ast.RenameStmt,),
        check=_rename_schema,
        summary="every name that is written with a renamed schema leads nowhere",
        why="ALTER SCHEMA … RENAME takes no lock on any table, so nothing waits and everything "
        "that names the schema fails at once: queries, functions' bodies, search_path settings of "
        "roles and databases. Measured on PostgreSQL 11 to 18.",
        remedy="Make the new schema beside the old one, with views in it, and move readers over.",
        source="https://www.postgresql.org/docs/current/sql-alterschema.html",
    ),
    Rule(
        code="MS318",
        name="set-schema",
        on=(ast.AlterObjectSchemaStmt,),
        check=_set_schema,
        lock="ACCESS EXCLUSIVE",
        summary="code that names the old schema no longer finds what was moved",
        why="The move is brief, under ACCESS EXCLUSIVE. Code that writes the old schema's name "
        "fails at once. Code that relies on search_path goes on only where the new schema is on "
        "it, and may find another object of the same name instead.",
        remedy="Leave a view with the old name in the old schema, in the same transaction.",
        source=_MANUAL,
    ),
    Rule(
        code="MS336",
        name="app-incompatible",
        on=(
            ast.RenameStmt,
            ast.DropStmt,
            ast.AlterObjectSchemaStmt,
            ast.AlterEnumStmt,
            _Change.AT_DropColumn,
        ),
        check=_incompatible,
        style=True,
        summary="code that runs now names what is renamed, moved or dropped",
        why="While a release is rolled out, the code of before and the code of after run side by "
        "side on one schema. A rename, a move or a drop serves only the latter. This is the "
        "umbrella of the rules for each kind, for teams that want one switch.",
        remedy=_EXPAND,
        source="https://www.postgresql.org/docs/current/ddl-alter.html",
    ),
)
