"""Hazards of triggers and rules: what they lock, and what is not done while they are off."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, around, dropped
from migsafe.hazards.context import assigned
from migsafe.schema import Key, Table
from migsafe.sql import Statement

_Object = enums.ObjectType
_Change = enums.AlterTableType

_MANUAL = "https://www.postgresql.org/docs/current"


def _create(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    table = context.table(node.relation)
    if table.kind == "v":
        return  # INSTEAD OF
    message = (
        f"holds SHARE ROW EXCLUSIVE on {table.key} until COMMIT, so that writers wait, and "
        f"{_per(node)} runs {node.funcname[-1].sval} from then on"
    )
    yield Hit(message, table)


def _per(node: Any) -> str:
    return "each row that is written" if node.row else "each statement that writes"


def _drop(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if node.removeType != _Object.OBJECT_TRIGGER:
        return
    again = {made.trigname for made in around.later(context, ast.CreateTrigStmt)}
    for parts in node.objects:
        key = dropped.key_of(parts[:-1], context)
        table = context.schema.tables.get(key)
        name = parts[-1].sval
        known = table is not None and (context.schema.complete or table.made is not None)
        if table and known and node.missing_ok and name not in table.triggers:
            continue  # then nothing is locked
        if key in dropped.later(context):
            continue  # then that is what locks it, and nobody writes afterwards
        message = (
            f"holds ACCESS EXCLUSIVE on {key} until COMMIT, so that nobody can use it meanwhile"
        )
        undone = "" if name in again else f"; what {name} did is not done any more"
        yield Hit(message + undone, table or Table(key=key))


def _create_rule(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    table = context.table(node.relation)
    message = (
        f"holds ACCESS EXCLUSIVE on {table.key} until COMMIT, so that nobody can use it meanwhile, "
        "and rewrites statements that name it from then on"
    )
    yield Hit(message, table)


# ---------------------------------------------------------------- switched off

_DISABLES = (
    _Change.AT_DisableTrig,
    _Change.AT_DisableTrigAll,
    _Change.AT_DisableTrigUser,
    _Change.AT_DisableRule,
)

_ENABLES = {
    _Change.AT_EnableTrig,
    _Change.AT_EnableAlwaysTrig,
    _Change.AT_EnableReplicaTrig,
    _Change.AT_EnableTrigAll,
    _Change.AT_EnableTrigUser,
    _Change.AT_EnableRule,
}


def _disable(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    table = context.table(statement.node.relation)
    what = _switched_off(node)
    if _is_enabled_later(table.key, context):
        message = f"{what} of {table.key} until a later statement: rows of that time go unchecked"
        yield Hit(message, table, None if node.subtype == _ALL else Severity.INFO)
    else:
        yield Hit(f"{what} of {table.key}, for every session and for good", table)


_ALL = _Change.AT_DisableTrigAll


def _switched_off(node: Any) -> str:
    if node.subtype == _ALL:
        return "switches off all triggers, those that check foreign keys too,"
    if node.subtype == _Change.AT_DisableTrigUser:
        return "switches off every trigger"
    kind = "rule" if node.subtype == _Change.AT_DisableRule else "trigger"
    return f"switches off the {kind} {node.name}"


def _is_enabled_later(key: Key, context: Context) -> bool:
    return any(
        command.subtype in _ENABLES
        for alter in around.later(context, ast.AlterTableStmt)
        if context.schema.key(alter.relation.schemaname, alter.relation.relname) == key
        for command in alter.cmds or ()
    )


_SETTING = (ast.VariableSetStmt, ast.SelectStmt, ast.AlterRoleSetStmt, ast.AlterDatabaseSetStmt)


def _replica_role(node: Any, _statement: Statement, _context: Context) -> Iterator[Hit]:
    kept: Any = getattr(node, "setstmt", None)
    for setting in assigned(kept or node):
        if (
            setting.name == "session_replication_role"
            and (setting.value or "").lower() == "replica"
        ):
            where = "in all such sessions" if kept else "in this session"
            yield Hit(
                f"switches off every trigger {where}, those that check foreign keys too: rows of "
                "that time go unchecked"
            )


def _off(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    switch = _replica_role if isinstance(node, _SETTING) else _disable
    yield from switch(node, statement, context)


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS119",
        name="create-trigger",
        on=(ast.CreateTrigStmt,),
        check=_create,
        summary="a trigger is added to a table in use",
        why="CREATE TRIGGER takes SHARE ROW EXCLUSIVE on the table until COMMIT: reading goes on, "
        "writers wait, and while it waits for a writer itself all later ones queue behind it. From "
        "then on every write runs the function, in the transaction of whoever writes, and fails "
        "where the function fails.",
        remedy="Set a short lock_timeout and retry; put the trigger into a migration of its own, "
        "and measure what it costs a write.",
        source=f"{_MANUAL}/sql-createtrigger.html",
        lock="SHARE ROW EXCLUSIVE",
    ),
    Rule(
        code="MS120",
        name="drop-trigger",
        on=(ast.DropStmt,),
        check=_drop,
        summary="a trigger is dropped from a table in use",
        why="DROP TRIGGER takes ACCESS EXCLUSIVE on the table until COMMIT, so that not even a "
        "SELECT runs. What the trigger kept in step, audited or checked is not done for rows that "
        "are written from then on, and nothing reports it.",
        remedy="Replace it in place with CREATE OR REPLACE TRIGGER (14 and later), or change its "
        "function; drop it in a migration of its own with a short lock_timeout.",
        source=f"{_MANUAL}/sql-droptrigger.html",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS121",
        name="create-rule",
        on=(ast.RuleStmt,),
        check=_create_rule,
        summary="a rule is added to a table in use",
        why="CREATE RULE takes ACCESS EXCLUSIVE on the table until COMMIT. A rule rewrites the "
        "text of a statement before it runs: a volatile function in it is called more than once, "
        "INSERT … RETURNING and COPY behave differently, and the count of rows that the "
        "application gets back is another one.",
        remedy="Write a trigger, or a view with an INSTEAD OF trigger.",
        source=f"{_MANUAL}/rules-triggers.html",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS325",
        name="disable-trigger",
        on=(*_DISABLES, *_SETTING),
        check=_off,
        summary="triggers are switched off, maybe those of foreign keys too",
        why="DISABLE TRIGGER takes SHARE ROW EXCLUSIVE until COMMIT and switches the trigger off "
        "for every session, not only for this one. With ALL, and with session_replication_role = "
        "replica, foreign keys are not checked either: rows that break them stay, and nothing "
        "looks at them again, since the constraint counts as valid. Rows written meanwhile are not "
        "audited or kept in step.",
        remedy="Leave the triggers on; let the function return early for a setting that only the "
        "migration makes.",
        source=f"{_MANUAL}/sql-altertable.html#SQL-ALTERTABLE-DESC-DISABLE-ENABLE-TRIGGER",
        lock="SHARE ROW EXCLUSIVE",
    ),
)
