"""Hazards of what cannot be brought back: dropped tables, columns and more, emptied tables."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, around, columns, dropped
from migsafe.schema import Key, Table, uses
from migsafe.sql import Statement

_Object = enums.ObjectType
_Change = enums.AlterTableType

_MANUAL = "https://www.postgresql.org/docs/current"


# ---------------------------------------------------------------- columns and tables


def _drop_column(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if statement.node.objtype != _Object.OBJECT_TABLE:
        return  # ALTER TYPE … DROP ATTRIBUTE has the same subcommand
    table = dropped.find(_key(statement.node.relation, context), context)
    if table is None or _column_is_harmless(node, table, context):
        return
    derived = table.columns[node.name].generated if node.name in table.columns else ""
    severity = None if derived else dropped.severity(table, context)
    yield Hit(_column_lost(node.name, table.key), table, severity)


def _column_lost(name: str, key: Key) -> str:
    return (
        f"drops {name} of {key} with its values, under ACCESS EXCLUSIVE; running code that names "
        "it fails from then on"
    )


def _key(relation: Any, context: Context) -> Key:
    return context.schema.key(relation.schemaname, relation.relname)


def _column_is_harmless(node: Any, table: Table, context: Context) -> bool:
    """Tell whether nobody can miss the column: it is not there, new, or holds nothing."""
    column = table.columns.get(node.name)
    if column is None and table.known and node.missing_ok:
        return True
    return columns.is_new(table, node.name, context) or dropped.rowless(table, context)


def _drop_table(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if node.removeType != _Object.OBJECT_TABLE:
        return
    gone = {table.key for table in dropped.tables(node, context)}
    for table in dropped.tables(node, context):
        needed = [
            use for use in uses.of_table(context.schema, table.key) if use.table.key not in gone
        ]
        if needed and not dropped.cascades(node):
            names = dropped.listed([use.what for use in needed])
            yield Hit(f"fails (2BP01): {names} need {table.key}", None, Severity.ERROR)
        elif not dropped.rowless(table, context):
            message = (
                f"drops {table.key} with its rows, under ACCESS EXCLUSIVE; running code that names "
                "it fails from then on"
            )
            yield Hit(message, table, dropped.severity(table, context))


def _create_after_drop(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    """Yield tables that a later statement of the migration makes again under their old name."""
    if node.removeType != _Object.OBJECT_TABLE:
        return
    made = {
        _key(create.relation if isinstance(create, ast.CreateStmt) else create.into.rel, context)
        for create in around.later(context, (ast.CreateStmt, ast.CreateTableAsStmt))
    }
    for table in dropped.tables(node, context):
        if table.key in made and not dropped.rowless(table, context):
            message = (
                f"drops {table.key} and makes it anew without its rows, which no code that uses it "
                "will notice"
            )
            yield Hit(message, table, dropped.severity(table, context))


# ---------------------------------------------------------------- schemas and larger


def _drop_schema(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if node.removeType != _Object.OBJECT_SCHEMA:
        return
    new = {
        statement.node.schemaname
        for statement in context.before
        if isinstance(statement.node, ast.CreateSchemaStmt)
    }
    for name in (part.sval for part in node.objects):
        inside = [table for table in context.schema.tables.values() if table.key.schema == name]
        if name in new and all(context.fresh(table) for table in inside):
            continue
        yield _schema_lost(name, inside, dropped.cascades(node), context)


def _schema_lost(name: str, inside: list[Table], cascades: bool, context: Context) -> Hit:
    names = dropped.listed([str(table.key) for table in inside])
    if inside and not cascades:
        return Hit(f"fails (2BP01): the schema {name} holds {names}", None, Severity.ERROR)
    if not cascades:
        return Hit(f"drops the schema {name}, and fails (2BP01) where it is not empty")
    lost = any(dropped.severity(table, context) for table in inside)
    held = f": {names}" if names else ""
    message = f"drops the schema {name} with everything in it{held}, under ACCESS EXCLUSIVE on each"
    return Hit(message, None, Severity.ERROR if lost else None)


def _drop_database(node: Any, _statement: Statement, _context: Context) -> Iterator[Hit]:
    yield Hit(f"drops the whole database {node.dbname}; no transaction and no undo covers it")


def _drop_tablespace(node: Any, _statement: Statement, _context: Context) -> Iterator[Hit]:
    yield Hit(
        f"drops the tablespace {node.tablespacename} of the whole server, and fails (55000) while "
        "any database still keeps a file there"
    )


# ---------------------------------------------------------------- TRUNCATE


def _truncate(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    named = {_key(relation, context) for relation in node.relations}
    for relation in node.relations:
        key = _key(relation, context)
        table = dropped.find(key, context)
        if table is None:
            continue
        others = [one for one in _referencing(key, context) if one.key not in named]
        if others and not dropped.cascades(node):
            names = dropped.listed([str(one.key) for one in others])
            yield Hit(f"fails (0A000): {names} has a foreign key to {key}", None, Severity.ERROR)
        elif not dropped.rowless(table, context):
            yield _emptied(table, context)


def _emptied(table: Table, context: Context) -> Hit:
    message = (
        f"removes every row of {table.key} at once, under ACCESS EXCLUSIVE until COMMIT, and from "
        "older snapshots too"
    )
    return Hit(message, table, dropped.severity(table, context))


def _referencing(key: Key, context: Context) -> list[Table]:
    """Return the other tables with a foreign key to one, each once."""
    found = {table.key: table for table, _ in context.schema.referrers(key) if table.key != key}
    return list(found.values())


def _truncate_cascade(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if not dropped.cascades(node):
        return
    for relation in node.relations:
        key = _key(relation, context)
        table = context.schema.tables.get(key) or Table(key=key)
        also = _reached(key, context)
        if also:
            lost = [one for one in also if dropped.severity(one, context)]
            names = dropped.listed([str(one.key) for one in also])
            message = f"CASCADE empties {names} too, under ACCESS EXCLUSIVE on each"
            yield Hit(message, also[0], Severity.ERROR if lost else None)
        elif not (context.schema.complete or table.made):
            message = f"CASCADE empties every table with a foreign key to {key}; none is known here"
            yield Hit(message, table)


def _reached(key: Key, context: Context) -> list[Table]:
    """Return the tables that reference one, and those that reference them."""
    found: dict[Key, Table] = {}
    todo = [key]
    while todo:
        for table in _referencing(todo.pop(), context):
            if table.key != key and table.key not in found:
                found[table.key] = table
                todo.append(table.key)
    return list(found.values())


# ---------------------------------------------------------------- what cannot be undone


def _irreversible(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    tell = _IRREVERSIBLE.get(type(node))
    lost = tell(node) if tell else None
    if isinstance(node, ast.AlterTableCmd) and statement.node.objtype == _Object.OBJECT_TABLE:
        lost = f"the values of {node.name}" if node.subtype == _Change.AT_DropColumn else None
    relation = getattr(node, "relation", None) or getattr(statement.node, "relation", None)
    table = context.schema.find(relation) if isinstance(relation, ast.RangeVar) else None
    if lost and not (table and dropped.rowless(table, context)):
        yield Hit(f"no statement brings back {lost}", table)


def _dropped_rows(node: Any) -> str | None:
    kinds = {
        _Object.OBJECT_TABLE: "the rows of a dropped table",
        _Object.OBJECT_SCHEMA: "what was in a dropped schema",
    }
    return kinds.get(node.removeType)


_IRREVERSIBLE: dict[type, Any] = {
    ast.DropStmt: _dropped_rows,
    ast.TruncateStmt: lambda _node: "the rows that TRUNCATE removes",
    ast.DeleteStmt: lambda _node: "the rows that DELETE removes",
    ast.UpdateStmt: lambda _node: "the values that UPDATE overwrites",
    ast.DropdbStmt: lambda _node: "a dropped database",
    ast.AlterEnumStmt: lambda node: (
        None if node.oldVal else "an enum to what it was, since no label can be removed"
    ),
}


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS301",
        name="drop-column",
        on=(_Change.AT_DropColumn,),
        check=_drop_column,
        summary="a column is dropped with its values",
        why="DROP COLUMN is done at once: it marks the column as dropped in the catalog, under a "
        "short ACCESS EXCLUSIVE lock. What it held is lost to every query in the same moment, and "
        "only a backup brings it back. Code of the release that still runs fails with 42703 as "
        "soon as it names the column, and so do prepared statements and functions.",
        remedy="Deploy code that does not use the column any more, keep it for a while, then drop "
        "it in a migration of its own.",
        source=f"{_MANUAL}/sql-altertable.html",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS302",
        name="drop-table",
        on=(ast.DropStmt,),
        check=_drop_table,
        summary="a table is dropped with its rows",
        why="DROP TABLE removes the table, its indexes, triggers, policies and rights, and its "
        "rows: only a backup brings them back. It takes ACCESS EXCLUSIVE on the table and on "
        "every table that its foreign keys point to. Where another table or a view needs it the "
        "statement fails with 2BP01. Code that still names it fails with 42P01.",
        remedy="Rename the table first and drop it weeks later, when nobody has missed it and a "
        "snapshot has it.",
        source=f"{_MANUAL}/sql-droptable.html",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS303",
        name="drop-schema",
        on=(ast.DropStmt,),
        check=_drop_schema,
        spares_new=False,
        summary="a schema is dropped",
        why="DROP SCHEMA … CASCADE removes every table, view, function and type of the schema, and "
        "what depends on them elsewhere. It takes ACCESS EXCLUSIVE on all of them together. "
        "Without CASCADE it fails with 2BP01 unless the schema is empty.",
        remedy="Drop what the schema holds by name, so that a reader sees what is lost, then the "
        "empty schema.",
        source=f"{_MANUAL}/sql-dropschema.html",
    ),
    Rule(
        code="MS304",
        name="drop-database",
        severity=Severity.ERROR,
        on=(ast.DropdbStmt,),
        check=_drop_database,
        summary="a database is dropped",
        why="DROP DATABASE removes the catalog and the files of the whole database at once. It "
        "cannot run in a transaction block (25001), so nothing can roll it back. A migration has "
        "no reason for it: the one that it runs in cannot be dropped at all.",
        remedy="Take it out of the migration; let a person drop the database after a snapshot.",
        source=f"{_MANUAL}/sql-dropdatabase.html",
    ),
    Rule(
        code="MS305",
        name="drop-tablespace",
        on=(ast.DropTableSpaceStmt,),
        check=_drop_tablespace,
        summary="a tablespace is dropped",
        why="A tablespace belongs to the server, not to one database. DROP TABLESPACE cannot run "
        "in a transaction block (25001) and fails with 55000 while any database keeps a file in "
        "it. On the next server that the migration runs on, the tablespace may never have been.",
        remedy="Take it out of the migration: whoever runs the server makes and drops tablespaces.",
        source=f"{_MANUAL}/sql-droptablespace.html",
    ),
    Rule(
        code="MS307",
        name="truncate",
        on=(ast.TruncateStmt,),
        check=_truncate,
        summary="a table is emptied",
        why="TRUNCATE gives the table a new, empty file. It takes ACCESS EXCLUSIVE until COMMIT, "
        "so that not even a SELECT runs meanwhile; it fires no DELETE trigger; and a transaction "
        "with an older snapshot sees an empty table afterwards, since it is not MVCC-safe. Where "
        "another table has a foreign key to it, it fails with 0A000, rows or not.",
        remedy="Delete the rows that are not needed, in batches by key.",
        source=f"{_MANUAL}/sql-truncate.html",
        lock="ACCESS EXCLUSIVE",
        rewrites=True,
    ),
    Rule(
        code="MS308",
        name="truncate-cascade",
        on=(ast.TruncateStmt,),
        check=_truncate_cascade,
        summary="TRUNCATE … CASCADE empties every table that references this one",
        why="CASCADE does not follow rows, as ON DELETE CASCADE does: it empties every table that "
        "has a foreign key to the one named, and those that have one to them, whatever ON DELETE "
        "says and whether or not a row points here. Each is locked with ACCESS EXCLUSIVE.",
        remedy="Name the tables that are to be emptied in one TRUNCATE, without CASCADE.",
        source=f"{_MANUAL}/sql-truncate.html",
        lock="ACCESS EXCLUSIVE",
        rewrites=True,
    ),
    Rule(
        code="MS310",
        name="create-table-force",
        on=(ast.DropStmt,),
        check=_create_after_drop,
        summary="a table is dropped and made anew under its name",
        why="DROP TABLE IF EXISTS before CREATE TABLE makes a script run again and again, and "
        "empties the table each time: in production it removes the rows that a developer never "
        "had. Rights, policies, triggers and publications of the old table are gone as well. The "
        "name is there afterwards, so nothing fails.",
        remedy="Write CREATE TABLE without the DROP, or change the table with ALTER TABLE.",
        source=f"{_MANUAL}/sql-droptable.html",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS335",
        name="rollback-grade",
        severity=Severity.INFO,
        on=(*_IRREVERSIBLE, _Change.AT_DropColumn),
        check=_irreversible,
        style=True,
        summary="a statement that no statement undoes",
        why="A down migration can put back a table, a column or an index, but not what was in it. "
        "After such a statement the way back is a backup, or a copy that was kept beside.",
        remedy="Keep what is removed (rename it, or copy it to another table) until the release "
        "has proven itself, and take a snapshot before.",
        source=f"{_MANUAL}/ddl-alter.html",
    ),
)
