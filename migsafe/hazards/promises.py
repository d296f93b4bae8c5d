"""Hazards of what a constraint promises and does not keep, or cannot."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, When, columns, declared
from migsafe.schema import Key, Schema, Table, expressions
from migsafe.sql import Statement

_Kind = enums.ConstrType
_Change = enums.AlterTableType
_SAID = ast.CreateStmt, ast.AlterTableStmt


def _key(node: Any, context: Context) -> Key:
    return context.schema.key(node.relation.schemaname, node.relation.relname)


def _not_enforced(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    message = f"nothing holds a constraint of {_key(statement.node, context)} that is NOT ENFORCED"
    if isinstance(node, ast.AlterTableCmd):
        altered: Any = node.def_
        if altered.alterEnforceability and not altered.is_enforced:
            yield Hit(f"{message}, not even for new rows")
        return
    kinds = _Kind.CONSTR_CHECK, _Kind.CONSTR_FOREIGN
    for one in declared.constraints(node):
        if one.node.contype in kinds and not one.enforced:
            yield Hit(f"{message}, not even for new rows")


def _left_not_valid(_node: Any, _statement: Any, context: Context) -> Iterator[Hit]:
    """Yield what is still NOT VALID when all migrations are through."""
    for table in context.schema.tables.values():
        for made in table.constraints.values():
            if made.valid or not (made.enforced and made.sure) or made.made is None:
                continue
            parents = (context.schema.tables.get(key) for key in table.parents)
            if not any(parent and made.name in parent.constraints for parent in parents):
                message = f"{made.name} of {table.key} is still NOT VALID after the last migration"
                yield Hit(f"{message}, so that old rows may break it", table, place=made.made)


#: Functions of PostgreSQL that are STABLE in every signature: the clock, the session, the rest.
_STABLE = frozenset(
    (
        *("now", "statement_timestamp", "transaction_timestamp", "current_setting"),
        *("current_schema", "current_schemas", "current_database", "txid_current"),
        *("pg_current_xact_id", "pg_has_role", "has_table_privilege", "inet_client_addr"),
        *("to_regclass", "to_regtype", "session_user", "current_user"),
    )
)


def _volatile(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    for one in declared.constraints(node):
        if one.node.contype == _Kind.CONSTR_CHECK:
            for name in _unsteady(one.node.raw_expr, context.schema):
                message = f"a CHECK of {_key(node, context)} calls {name}, whose answer changes"
                yield Hit(f"{message}, so that rows that were held once may break it")
                break


def _unsteady(expression: Any, schema: Schema) -> Iterator[str]:
    """Yield what an expression calls that is not IMMUTABLE, as far as that is known."""
    for node in expressions.nodes(expression, ast.SQLValueFunction):
        yield str(node.op.name).removeprefix("SVFOP_").removesuffix("_N").lower()
    for name in expressions.calls(expression):
        own = schema.functions.get(name)
        if own[0] != "i" if own else name in _STABLE or name in expressions.VOLATILE:
            yield name


def _key_left_out(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    for needed, keys in _unique_keys(node, statement, context):
        lacking = [name or "an expression" for name in needed if name is None or name not in keys]
        if lacking:
            message = f"fails, since a unique key of {_key(node, context)}, which is partitioned"
            yield Hit(f"{message}, has to include {', '.join(lacking)} (0A000)")


def _unique_keys(
    node: Any, statement: Statement, context: Context
) -> Iterator[tuple[tuple[str | None, ...], set[str]]]:
    """Yield the partition key and the columns of each unique key that a statement makes."""
    if isinstance(node, ast.CreateStmt):
        parts: Any = node.partspec.partParams if node.partspec else ()
        needed = tuple(part.name for part in parts)
    else:
        table = _table(node, statement, context)
        needed = table.partition_key if table else ()
    if not needed:
        return
    if isinstance(node, ast.IndexStmt):
        if node.unique:
            yield needed, {element.name for element in node.indexParams or ()}
        return
    for one in declared.constraints(node):
        if one.node.contype in (_Kind.CONSTR_PRIMARY, _Kind.CONSTR_UNIQUE):
            inline = {one.column.colname} if one.column else set()
            yield needed, inline or {key.sval for key in one.node.keys or ()}


def _table(node: Any, statement: Statement, context: Context) -> Table | None:
    if isinstance(node, ast.IndexStmt):
        return context.schema.find(node.relation)
    return columns.table(statement, context)


_NAMED = _Kind.CONSTR_UNIQUE, _Kind.CONSTR_FOREIGN, _Kind.CONSTR_CHECK, _Kind.CONSTR_EXCLUSION


def _unnamed(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    definition = node.def_
    if definition.contype in _NAMED and not (definition.conname or definition.indexname):
        key = _key(statement.node, context)
        yield Hit(f"a constraint of {key} has no name, so that each database may call it otherwise")


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS333",
        name="not-enforced-constraint",
        on=(*_SAID, _Change.AT_AlterConstraint),
        check=_not_enforced,
        summary="a constraint that is NOT ENFORCED holds nothing",
        why="Since PostgreSQL 18 a CHECK or a foreign key may be NOT ENFORCED. It stands in the "
        "catalog like any other, tools and people read it as a promise, and no row is ever held "
        "against it, old or new. It was made to describe rows that another system keeps in order.",
        remedy="Write NOT VALID, which holds new rows at once, and VALIDATE CONSTRAINT later.",
        source="https://www.postgresql.org/docs/current/sql-createtable.html",
        spares_new=False,
        since=18,
    ),
    Rule(
        code="MS416",
        name="constraint-left-not-valid",
        severity=Severity.INFO,
        on=(When.LAST,),
        check=_left_not_valid,
        summary="a constraint is never validated",
        why="A constraint that is NOT VALID holds for new rows alone. The planner does not use it, "
        "SET NOT NULL does not believe it, old rows that break it refuse every UPDATE, and a dump "
        "of the database carries it along as it is.",
        remedy="Write VALIDATE CONSTRAINT in a later migration.",
        source="https://www.postgresql.org/docs/current/sql-altertable.html",
        spares_new=False,
    ),
    Rule(
        code="MS417",
        name="volatile-check-constraint",
        on=_SAID,
        check=_volatile,
        summary="a CHECK calls a function whose answer changes",
        why="A CHECK is computed when a row is written and taken as true from then on. Where it "
        "asks the clock, the session or other tables, a row that passed yesterday breaks it today: "
        "an UPDATE of another column fails, and so does the restore of a dump. PostgreSQL accepts "
        "such a CHECK without a word.",
        remedy="Check it in a trigger when the row is written, or compare with a column.",
        source="https://www.postgresql.org/docs/current/ddl-constraints.html",
        spares_new=False,
    ),
    Rule(
        code="MS420",
        name="partition-key-not-in-unique",
        severity=Severity.ERROR,
        on=(*_SAID, ast.IndexStmt),
        check=_key_left_out,
        summary="a unique key of a partitioned table leaves its partition key out",
        why="Each partition has an index of its own, and none sees the others. PostgreSQL can hold "
        "a unique key only where equal keys meet in one partition, so the key has to include every "
        "column of the partition key, and is refused with 0A000 otherwise. Where the partition key "
        "is an expression no unique key is possible.",
        remedy="Include the columns of the partition key.",
        source="https://www.postgresql.org/docs/current/ddl-partitioning.html",
        fails="0A000",
        spares_new=False,
    ),
    Rule(
        code="MS421",
        name="unnamed-constraint",
        severity=Severity.INFO,
        on=(_Change.AT_AddConstraint,),
        check=_unnamed,
        summary="a constraint is added without a name",
        why="PostgreSQL makes a name of table and columns, cuts it, and counts where it is taken. "
        "Databases that came to the same table by different ways have different names, and a later "
        "migration that drops the constraint by name works on one of them.",
        remedy="Write ADD CONSTRAINT with a name.",
        source="https://www.postgresql.org/docs/current/sql-altertable.html",
        spares_new=False,
        style=True,
    ),
)
