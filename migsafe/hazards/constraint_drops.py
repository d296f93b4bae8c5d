"""Hazards of dropping constraints: who waits, what is lost, and what holds it back."""

import re
from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, around, columns
from migsafe.schema import Constraint, Table, expressions
from migsafe.sql import Statement

_Kind = enums.ConstrType
_Change = enums.AlterTableType

#: How tools name a primary key, where the table is not known.
_LOOKS_PRIMARY = re.compile(r"(^pk_|_pk$|_pkey$|_primary(_key)?$|^primary_)", re.IGNORECASE)


def _drops_primary(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = columns.table(statement, context)
    if table is None or not _is_primary(node, table) or _changes_hands(statement):
        return
    again = _adds_again(_Kind.CONSTR_PRIMARY, None, statement, context)
    if table.published and table.replica_identity == "d" and not again:
        message = f"takes the primary key from {table.key}, by which its publication tells rows"
        message = f"{message} apart, so that every UPDATE and DELETE fails afterwards (55000)"
        yield Hit(message, table, Severity.ERROR)
        return
    lost = "until it has another" if again else "so that duplicates and NULLs may come in"
    message = f"takes the primary key from {table.key} under ACCESS EXCLUSIVE, {lost}"
    yield Hit(message, table, Severity.INFO if again else None)


def _changes_hands(statement: Statement) -> bool:
    """Tell whether the statement makes an index the new primary key at once."""
    return any(
        command.def_.contype == _Kind.CONSTR_PRIMARY and command.def_.indexname
        for command in columns.siblings(statement, _Change.AT_AddConstraint)
    )


def _is_primary(node: Any, table: Table) -> bool:
    if node.subtype == _Change.AT_DropColumn:
        made = table.constraints.values()
        return any(one.kind == "p" and node.name in one.columns for one in made)
    if known := table.constraints.get(node.name):
        return known.kind == "p"
    return not table.known and bool(_LOOKS_PRIMARY.search(node.name))


def _adds_again(kind: Any, name: str | None, statement: Statement, context: Context) -> bool:
    """Tell whether this migration adds such a constraint to the table, here or later."""
    table = context.schema.find(statement.node.relation)
    return any(
        command.subtype == _Change.AT_AddConstraint
        and kind in (None, command.def_.contype)
        and name in (None, command.def_.conname)
        for node in (statement.node, *around.later(context, ast.AlterTableStmt))
        if context.schema.find(node.relation) is table
        for command in node.cmds or ()
    )


def _drops(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = columns.table(statement, context)
    if table is None or _is_primary(node, table):
        return
    made = table.constraints.get(node.name)
    if made is None:
        if not (node.missing_ok and table.known):
            message = f"drops {node.name} under ACCESS EXCLUSIVE on {table.key}; what it is, is"
            message = f"{message} not known here: a foreign key's other table is locked as well"
            yield Hit(message, table)
    elif made.kind == "f" and made.target:
        yield _unties(table, made, context)
    elif not _is_spent(table, made, context):
        again = _adds_again(None, node.name, statement, context)
        lost = ", until it is added again" if again else ", so that rows may break it afterwards"
        message = f"drops {_KINDS[made.kind]} {made.name} under ACCESS EXCLUSIVE on {table.key}"
        yield Hit(f"{message}{lost}", table, Severity.INFO if again else None)


_KINDS = {"u": "the unique constraint", "c": "the check", "x": "the exclusion constraint",
          "n": "the NOT NULL constraint", "f": "the foreign key", "p": "the key"}  # fmt: skip


def _unties(table: Table, made: Constraint, context: Context) -> Hit:
    target = context.schema.tables.get(made.target) if made.target else None
    alone = target is None or target is table
    both = f"{table.key}" if alone else f"{table.key} and {made.target}"
    message = f"drops the foreign key {made.name} under ACCESS EXCLUSIVE on {both}, so that nobody"
    hurt = target if target and context.fresh(table) else table
    return Hit(f"{message} can use {'it' if alone else 'either'} until the transaction ends", hurt)


def _is_spent(table: Table, made: Constraint, context: Context) -> bool:
    """Tell whether nothing is lost: it came with this migration, or NOT NULL says the same."""
    if made.made is not None and made.made.migration == context.unit.name:
        return True
    return made.kind == "c" and any(
        column.not_null and expressions.proves_not_null(made.expression, name)
        for name in made.columns
        if (column := table.columns.get(name))
    )


def _referred(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    """Yield the foreign keys that need the key which is dropped."""
    table = columns.table(statement, context)
    made = table.constraints.get(node.name) if table else None
    if table is None or made is None or made.kind not in "pu":
        return
    before = [c.name for c in columns.siblings(statement, _Change.AT_DropConstraint)]
    for child, key in context.schema.referrers(table.key):
        if child is table and key.name in before:
            continue
        wanted = set(key.target_columns) or (set(made.columns) if made.kind == "p" else None)
        if wanted == set(made.columns):
            yield _refused(table, made, child, key, node)


def _refused(table: Table, made: Constraint, child: Table, key: Constraint, node: Any) -> Hit:
    if node.behavior == enums.DropBehavior.DROP_CASCADE:
        message = f"drops the foreign key {key.name} of {child.key} with {made.name}"
        return Hit(f"{message}, under ACCESS EXCLUSIVE on both", child, Severity.WARNING)
    twin = any(
        index.unique and index.name != made.name and set(index.columns) == set(made.columns)
        for index in table.indexes.values()
    )
    message = f"fails if {key.name} of {child.key}" if twin else f"fails, since {key.name} of"
    message = f"{message} relies on {made.name}" if twin else f"{message} {child.key} relies on it"
    return Hit(f"{message} (2BP01)", severity=Severity.WARNING if twin else None)


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS323",
        name="drop-primary-key",
        on=(_Change.AT_DropConstraint, _Change.AT_DropColumn),
        check=_drops_primary,
        summary="a table loses its primary key",
        why="Without its primary key a table takes duplicates and NULLs, ON CONFLICT on it fails, "
        "and foreign keys to it go or hold it back. Logical replication tells rows apart by it: "
        "where a publication carries updates of the table, every UPDATE and DELETE fails on the "
        "publisher from then on (55000), unless the table has another REPLICA IDENTITY.",
        remedy="Build the index of the new key CONCURRENTLY first, and drop the old key and add "
        "the new one USING INDEX in one ALTER TABLE.",
        source="https://www.postgresql.org/docs/current/logical-replication-publication.html",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS324",
        name="drop-constraint",
        on=(_Change.AT_DropConstraint,),
        check=_drops,
        summary="a constraint is dropped, and what it held is held no longer",
        why="What no constraint holds comes into the table sooner or later, and then it cannot be "
        "added again. DROP CONSTRAINT takes ACCESS EXCLUSIVE on its table, for a foreign key on "
        "both tables: it waits for everybody who uses one of them, and whoever comes later waits "
        "behind it.",
        remedy="Drop it under a short lock_timeout and try again, when no reader relies on it.",
        source="measured on PostgreSQL 11 to 18",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS418",
        name="drop-constraint-referenced",
        severity=Severity.ERROR,
        on=(_Change.AT_DropConstraint,),
        check=_referred,
        summary="a key is dropped to which a foreign key refers",
        why="A foreign key relies on the primary key or unique constraint to which it refers, and "
        "PostgreSQL refuses to drop that (2BP01). With CASCADE it drops the foreign keys silently.",
        remedy="Drop the foreign key first, and give it another key to refer to.",
        source="https://www.postgresql.org/docs/current/ddl-depend.html",
        fails="2BP01",
        spares_new=False,
    ),
)
