"""Hazards of how a table is stored: moves that copy it whole, unlogged rows, autovacuum off."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, around, dropped
from migsafe.schema import Table, tables
from migsafe.sql import Statement

_Object = enums.ObjectType
_Change = enums.AlterTableType

_MANUAL = "https://www.postgresql.org/docs/current"

_HELD = "under ACCESS EXCLUSIVE, so that nobody can use it meanwhile"


# ---------------------------------------------------------------- copies of the whole table


def _set_logged(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = context.table(statement.node.relation)
    unlogged = node.subtype == _Change.AT_SetUnLogged
    known = context.schema.complete or table.made is not None
    if known and table.unlogged == unlogged:
        return
    partners = [
        other.key
        for other in _partners(table, unlogged, context)
        if other.unlogged != unlogged and (context.schema.complete or other.made is not None)
    ]
    if partners:
        named = f"{partners[0]}, which a foreign key ties to {table.key}, is "
        state = "logged" if unlogged else "unlogged"
        yield Hit(f"fails (42P16): {named}{state}", None, Severity.ERROR)
        return
    lost = "; a crash empties it from then on, and no replica has it" if unlogged else ""
    yield Hit(f"writes {table.key} anew {_HELD}{lost}", table)


def _partners(table: Table, unlogged: bool, context: Context) -> Iterator[Table]:
    """Yield the tables whose foreign keys forbid the change: a logged one may need no unlogged."""
    if unlogged:
        yield from (other for other, _ in context.schema.referrers(table.key) if other is not table)
    else:
        keys = {made.target for made in table.constraints.values() if made.target}
        yield from (context.schema.tables[key] for key in keys if key in context.schema.tables)


def _set_tablespace(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if isinstance(node, ast.AlterTableMoveAllStmt):
        moved = "every relation of one tablespace"
        yield Hit(f"copies {moved} to another, each under ACCESS EXCLUSIVE until the end")
        return
    relation = statement.node.relation
    if statement.node.objtype == _Object.OBJECT_INDEX:
        found = context.schema.index(relation.schemaname, relation.relname)
        name = relation.relname
        message = f"copies the index {name} {_HELD}, nor plan a query on its table"
        yield Hit(message, found[0] if found else None)
        return
    table = context.table(relation)
    if table.kind != "p":
        yield Hit(f"copies {table.key} to the tablespace {node.name} {_HELD}", table)


def _set_access_method(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = context.table(statement.node.relation)
    if table.kind != "p":
        method = node.name or "the default one"
        message = (
            f"writes {table.key} anew for the access method {method}, unless it has it, {_HELD}"
        )
        yield Hit(message, table)


def _rewrite(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    verb = "VACUUM FULL" if isinstance(node, ast.VacuumStmt) else "CLUSTER"
    if isinstance(node, ast.VacuumStmt):
        if not node.is_vacuumcmd or not _is_full(node):
            return
        relations = [named.relation for named in node.rels or ()]
    else:
        relations = [node.relation] if node.relation else []
    if not relations:
        yield Hit(f"{verb} writes one table of the database after the other anew, each {_HELD}")
    for relation in relations:
        table = context.table(relation)
        yield Hit(f"{verb} writes {table.key} and its indexes anew {_HELD}", table)


def _is_full(node: Any) -> bool:
    return any(
        option.defname == "full" and _said(option) not in ("false", "off", "0")
        for option in node.options or ()
    )


def _said(option: Any) -> str:
    value = getattr(option, "arg", None)
    for part in ("sval", "ival", "boolval"):
        if hasattr(value, part):
            return str(getattr(value, part)).lower()
    return "true"


# ---------------------------------------------------------------- what is lost or left


def _unlogged(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    into: Any = getattr(node, "into", None)
    relation = into.rel if into else node.relation
    if relation.relpersistence != "u":
        return
    key = tables.new_key(context.schema, relation)
    if key not in dropped.later(context):
        yield Hit(f"makes {key} unlogged: a crash empties it, and no replica has it")


def _vacuum_off(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    creates = isinstance(node, ast.CreateStmt)
    options = (node.options if creates else node.def_) or ()
    off = [
        option
        for option in options
        if option.defname == "autovacuum_enabled" and _said(option) in ("false", "off", "0", "no")
    ]
    relation = node.relation if creates else statement.node.relation
    if not off or _is_set_again(relation, context):
        return
    key = context.schema.key(relation.schemaname, relation.relname)
    part = "the TOAST table of " if off[0].defnamespace == "toast" else ""
    yield Hit(f"switches autovacuum off for {part}{key}, which grows and slows from then on")


def _is_set_again(relation: Any, context: Context) -> bool:
    """Tell whether the rest of the migration switches autovacuum on again."""
    for alter in around.later(context, ast.AlterTableStmt):
        if alter.relation.relname == relation.relname:
            for command in alter.cmds or ():
                names = [part.defname for part in _options(command)]
                if "autovacuum_enabled" in names:
                    return True
    return False


def _options(command: Any) -> Any:
    kinds = (_Change.AT_SetRelOptions, _Change.AT_ResetRelOptions)
    return (command.def_ if command.subtype in kinds else ()) or ()


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS219",
        name="set-logged",
        on=(_Change.AT_SetLogged, _Change.AT_SetUnLogged),
        check=_set_logged,
        weighed=True,
        summary="a table is written anew to be logged, or not to be",
        why="SET LOGGED and SET UNLOGGED write the whole table and its indexes into new files "
        "under ACCESS EXCLUSIVE; SET LOGGED writes all of it to the WAL too. An unlogged table is "
        "empty after a crash, on every replica and after a restore from a base backup. A logged "
        "table may not have a foreign key to an unlogged one (42P16).",
        remedy="Make a new table as it is to be, copy the rows in batches, and swap the names.",
        source=f"{_MANUAL}/sql-altertable.html",
        lock="ACCESS EXCLUSIVE",
        rewrites=True,
    ),
    Rule(
        code="MS220",
        name="set-tablespace",
        on=(_Change.AT_SetTableSpace, ast.AlterTableMoveAllStmt),
        check=_set_tablespace,
        weighed=True,
        summary="a table or index is copied to another tablespace",
        why="SET TABLESPACE copies the files block by block and writes them to the WAL, under "
        "ACCESS EXCLUSIVE to the end; a table's indexes stay where they are and are moved one by "
        "one. Moved alone, an index keeps its table from being planned for.",
        remedy="Move it with pg_repack, or build new indexes in the new tablespace concurrently.",
        source=f"{_MANUAL}/sql-altertable.html",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS221",
        name="set-access-method",
        on=(_Change.AT_SetAccessMethod,),
        check=_set_access_method,
        weighed=True,
        since=15,
        summary="a table is written anew for another access method",
        why="SET ACCESS METHOD (15 and later) writes every row into a new file and builds every "
        "index anew under ACCESS EXCLUSIVE. Where the table has the method already nothing is "
        "copied, and of a partitioned table only the default for new partitions changes.",
        remedy="Make a new table with the method, copy the rows in batches, and swap the names.",
        source="measured on PostgreSQL 15 to 18",
        lock="ACCESS EXCLUSIVE",
        rewrites=True,
    ),
    Rule(
        code="MS222",
        name="vacuum-full-or-cluster",
        on=(ast.VacuumStmt, ast.ClusterStmt),
        check=_rewrite,
        weighed=True,
        summary="a table is written anew to be smaller or in order",
        why="VACUUM FULL and CLUSTER copy the live rows into a new file and build every index "
        "anew, under ACCESS EXCLUSIVE from the first row to the last, with room for a second copy "
        "on disk. Plain VACUUM does neither: it runs beside readers and writers.",
        remedy="Run pg_repack, or plain VACUUM where the space is used again anyway.",
        source=f"{_MANUAL}/routine-vacuuming.html#VACUUM-FOR-SPACE-RECOVERY",
        lock="ACCESS EXCLUSIVE",
        rewrites=True,
    ),
    Rule(
        code="MS327",
        name="unlogged-table",
        on=(ast.CreateStmt, ast.CreateTableAsStmt),
        check=_unlogged,
        summary="a table is made whose rows a crash removes",
        why="An unlogged table is not written to the WAL. After a crash the server empties it, a "
        "standby never has its rows, and after a failover it is empty too. A snapshot or base "
        "backup that is restored does not have them either.",
        remedy="Leave UNLOGGED away, unless the rows can be made again at any time.",
        source=f"{_MANUAL}/sql-createtable.html#SQL-CREATETABLE-UNLOGGED",
    ),
    Rule(
        code="MS430",
        name="autovacuum-disabled",
        on=(_Change.AT_SetRelOptions, ast.CreateStmt),
        check=_vacuum_off,
        summary="autovacuum is switched off for a table",
        why="Without autovacuum dead rows stay, the table and its indexes grow, and the planner's "
        "statistics age, so that plans become wrong. Near transaction ID wraparound the server "
        "vacuums the table all the same, when it is largest.",
        remedy="Tune it instead: autovacuum_vacuum_scale_factor and autovacuum_vacuum_cost_delay "
        "can be set for one table.",
        source=f"{_MANUAL}/routine-vacuuming.html",
    ),
)
