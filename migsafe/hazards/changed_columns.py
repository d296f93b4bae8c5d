"""Hazards of what ALTER COLUMN changes, other than its type: NULLs, defaults, storage."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, around, columns
from migsafe.schema import Key, Table
from migsafe.sql import Statement

_Change = enums.AlterTableType

_MANUAL = "https://www.postgresql.org/docs/current/sql-altertable.html"


# ---------------------------------------------------------------- NOT NULL


def _set_not_null(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table, name = columns.table(statement, context), _never_null(node)
    if table is None or name is None or not _read(table, name, statement, context):
        return
    known = table.known or name in table.columns
    doubt = "" if known else "; whether a CHECK already proves that there are none is not known"
    message = (
        f"reads all of {table.key} under ACCESS EXCLUSIVE to look for NULLs in {name}, so "
        f"that nobody can use it meanwhile{doubt}"
    )
    yield Hit(message, table)


def _never_null(node: Any) -> str | None:
    """Return the column that is to be NOT NULL for old rows as well; 18 has another spelling."""
    if node.subtype == _Change.AT_SetNotNull:
        return str(node.name)
    made = node.def_
    if made.contype != enums.ConstrType.CONSTR_NOTNULL or made.skip_validation:
        return None
    return str(made.keys[0].sval)


def _read(table: Table, name: str, statement: Statement, context: Context) -> list[Table]:
    """Return the tables that have to be read: with rows, in use, and without a proof."""
    family = columns.family(table, statement, context)
    partitions = [one for one in family if one.kind == "r"]
    with_rows = partitions or family
    return [
        one
        for one in with_rows
        if not columns.has_no_null(one, name, statement, context) and not context.fresh(one)
    ]


def _drop_not_null(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = columns.table(statement, context)
    if table is None or columns.is_new(table, node.name, context):
        return
    column = table.columns.get(node.name)
    if column is None or column.not_null:
        message = (
            f"lets NULL into {node.name} of {table.key}, for which code that reads it today is not "
            "prepared"
        )
        yield Hit(message, table)


# ---------------------------------------------------------------- defaults


def _default(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = columns.table(statement, context)
    if table is None or columns.is_new(table, node.name, context):
        return
    column = table.columns.get(node.name)
    if node.def_ is not None:
        message = (
            f"changes only what later INSERTs into {table.key} put into {node.name}; rows that are "
            "there keep what they have"
        )
        yield Hit(message, table)
    elif column and column.default is not None and not column.not_null:
        message = f"leaves {node.name} of {table.key} NULL in later INSERTs that do not send it"
        yield Hit(message, table)


def _drop_default(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = columns.table(statement, context)
    if table is None or node.def_ is not None:
        return
    if _is_replaced(table.key, node, statement, context):
        return
    column = table.columns.get(node.name)
    fails = (
        f"an INSERT into {table.key} that does not send {node.name} fails (23502) from then on, as "
        "code that knows nothing of the column does"
    )
    if column is None:
        doubt = ", if it is NOT NULL, which is not known"
        yield Hit(f"{fails}{doubt}", table, Severity.INFO)
    elif column.not_null and column.default is not None:
        yield Hit(fails, table)


def _is_replaced(table: Key, dropped: Any, statement: Statement, context: Context) -> bool:
    """Tell whether the migration goes on to give the column another default, or an identity."""
    for node in (statement.node, *around.later(context, ast.AlterTableStmt)):
        if context.schema.key(node.relation.schemaname, node.relation.relname) != table:
            continue
        for command in node.cmds or ():
            set_anew = command.subtype == _Change.AT_ColumnDefault and command.def_ is not None
            numbered = command.subtype == _Change.AT_AddIdentity
            if command.name == dropped.name and (set_anew or numbered):
                return True
    return False


# ---------------------------------------------------------------- expressions and storage


def _set_expression(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = columns.table(statement, context)
    if table is None or table.kind == "f":
        return
    column = table.columns.get(node.name)
    if column is not None and column.generated == "v":
        return
    doubt = "" if column else ", if it is STORED, which is not known"
    message = (
        f"rewrites {table.key} and its indexes under ACCESS EXCLUSIVE to compute {node.name} anew, "
        f"so that nobody can use it meanwhile{doubt}"
    )
    yield Hit(message, table)


def _storage(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = columns.table(statement, context)
    if table is not None:
        message = (
            f"takes ACCESS EXCLUSIVE on {table.key} for a moment, and changes how {node.name} is "
            "kept only in rows that are written from then on"
        )
        yield Hit(message, table)


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS111",
        name="set-storage",
        severity=Severity.INFO,
        on=(_Change.AT_SetStorage, _Change.AT_SetCompression),
        check=_storage,
        lock="ACCESS EXCLUSIVE",
        summary="SET STORAGE and SET COMPRESSION change nothing in rows that are there",
        why="Both only note in the catalog how later values are kept. Rows that are there stay as "
        "they are until they are written again. The lock is ACCESS EXCLUSIVE, for a moment.",
        remedy="Set a lock_timeout, and rewrite older rows only if it is worth it.",
        source=_MANUAL,
    ),
    Rule(
        code="MS211",
        name="set-not-null",
        on=(_Change.AT_SetNotNull, _Change.AT_AddConstraint),
        check=_set_not_null,
        lock="ACCESS EXCLUSIVE",
        scans=True,
        weighed=True,
        summary="SET NOT NULL reads the whole table while nobody can use it",
        why="PostgreSQL reads every row to find a NULL, under ACCESS EXCLUSIVE, so that reads and "
        "writes of the table wait for as long as that takes. Since 12 it reads nothing where a "
        "valid CHECK already says IS NOT NULL, alone or as a part of an AND; such a CHECK can be "
        "made NOT VALID and validated while the table is in use. Since 18 a NOT NULL constraint "
        "can be NOT VALID itself. Where the version is not known, 12 or newer is taken for "
        "granted. Measured on PostgreSQL 11 to 18.",
        remedy="Add CHECK (… IS NOT NULL) NOT VALID, validate it in the next migration, then SET "
        "NOT NULL and drop the CHECK.",
        source=_MANUAL,
    ),
    Rule(
        code="MS212",
        name="set-expression-rewrite",
        on=(_Change.AT_SetExpression,),
        check=_set_expression,
        lock="ACCESS EXCLUSIVE",
        rewrites=True,
        weighed=True,
        since=17,
        summary="SET EXPRESSION rewrites the table of a stored generated column",
        why="The values of a STORED generated column are computed anew for every row, so "
        "PostgreSQL writes the table and its indexes anew under ACCESS EXCLUSIVE. A VIRTUAL "
        "column, since 18, holds no values. Measured on PostgreSQL 17 and 18.",
        remedy="Add another generated column beside it, VIRTUAL where the server is new enough, "
        "and change readers over.",
        source=_MANUAL,
    ),
    Rule(
        code="MS311",
        name="drop-not-null",
        on=(_Change.AT_DropNotNull,),
        check=_drop_not_null,
        lock="ACCESS EXCLUSIVE",
        summary="code that reads the column is not prepared for NULL",
        why="The statement itself is brief. From then on the column may hold NULL, and code that "
        "never met one there fails or computes something else: typed clients, NOT IN, "
        "concatenations, sums of two columns.",
        remedy="Deploy code that reads NULL first, and drop the NOT NULL afterwards.",
        source=_MANUAL,
    ),
    Rule(
        code="MS312",
        name="change-column-default",
        severity=Severity.INFO,
        on=(_Change.AT_ColumnDefault,),
        check=_default,
        lock="ACCESS EXCLUSIVE",
        summary="a changed default touches no row that is there",
        why="SET DEFAULT and DROP DEFAULT decide what later INSERTs put into the column where they "
        "do not send it. Rows that are there stay as they are. Frameworks that send every column "
        "with a value of their own never use the new default.",
        remedy="Change older rows by an UPDATE in batches if they are to follow.",
        source=_MANUAL,
    ),
    Rule(
        code="MS313",
        name="drop-default-of-required-column",
        on=(_Change.AT_ColumnDefault,),
        check=_drop_default,
        lock="ACCESS EXCLUSIVE",
        summary="a required column without a default breaks code that does not send it",
        why="Some frameworks add a required column with a default, which fills the rows that are "
        "there, and drop the default in the next statement. The code that is still running knows "
        "nothing of the column and does not send it, so that all its INSERTs fail until the new "
        "code is everywhere.",
        remedy="Keep the default in the database until no code without the column runs any more.",
        source=_MANUAL,
    ),
)
