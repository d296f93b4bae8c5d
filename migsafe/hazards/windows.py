"""Hazards of how long locks are held, and of how many are held at once."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, When
from migsafe.hazards.context import Held
from migsafe.hazards.locks import Lock, Mode, Work
from migsafe.schema import Key
from migsafe.sql import Statement

_Change = enums.AlterTableType

#: Statements that change rows are another rule's, mixed-ddl-and-dml.
_ROWS = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt, ast.CopyStmt)

_DOES = {
    Work.SCAN: "reads all of",
    Work.BUILD: "builds an index on",
    Work.REWRITE: "rewrites",
}


def _exclusive(context: Context) -> dict[Key, Held]:
    """Return the relations that nobody but this transaction can use."""
    return {key: held for key, held in context.held.items() if held.mode == Mode.ACCESS_EXCLUSIVE}


def _prolongs(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if not context.held or isinstance(node, _ROWS) or _proves(node, context):
        return
    found = context.locks(statement)
    slow, lock = _slowest(node, found, context)
    if slow is None or lock.work == Work.MOMENT:
        return
    exclusive = _exclusive(context)
    out = [key for key in exclusive if key not in found or found[key].mode < Mode.ACCESS_EXCLUSIVE]
    if out:
        line = exclusive[out[0]].statement.line
        message = f"goes on while line {line} holds ACCESS EXCLUSIVE on {out[0]}, so that nobody"
        message = f"{message} can use that until COMMIT: it {_DOES[lock.work]} {slow}"
        yield Hit(message, context.schema.tables.get(slow))


def _slowest(node: Any, found: dict[Key, Lock], context: Context) -> tuple[Key | None, Lock]:
    """Return the relation that is worked on the longest, rather the one that a statement names."""
    named = getattr(node, "relation", None)
    own = context.schema.key(named.schemaname, named.relname) if named else None
    by_work = [((lock.work, key == own), key, lock) for key, lock in found.items()]
    _, key, lock = max(by_work, default=(None, None, Lock(Mode.ACCESS_SHARE)))
    return key, lock


def _proves(node: Any, context: Context) -> bool:
    """Tell whether a statement validates a constraint of this migration, which has its own rule."""
    if not isinstance(node, ast.AlterTableStmt):
        return False
    table = context.schema.find(node.relation)
    names = [c.name for c in node.cmds or () if c.subtype == _Change.AT_ValidateConstraint]
    made = [table.constraints[name].made for name in names if table and name in table.constraints]
    return any(place and place.migration == context.unit.name for place in made)


def _widens(_node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    """Yield the statement that takes a second table away; the third is no news."""
    before: dict[Key, Held] = {}
    for key, held in context.held.items():
        if held.mode == Mode.ACCESS_EXCLUSIVE and _is_table(key, held.statement, context):
            before[key] = held
            if held.statement is not next(iter(before.values())).statement:
                return
    if not before:
        return
    taken = context.blocking(statement)
    for key, lock in taken.items():
        is_new = key not in before and _is_table(key, statement, context)
        if is_new and lock.mode == Mode.ACCESS_EXCLUSIVE:
            first, held = next(iter(before.items()))
            message = f"waits for ACCESS EXCLUSIVE on {key} while line {held.statement.line} holds"
            message = f"{message} it on {first}: nobody can use that meanwhile, and who uses both"
            severity = Severity.WARNING if lock.work > Work.MOMENT else None
            table = context.schema.tables.get(key)
            yield Hit(f"{message} in the other order deadlocks with it", table, severity)
            return


def _is_table(key: Key, statement: Statement, context: Context) -> bool:
    """Tell whether this is no view or sequence, nor an index that stands for an unknown table."""
    table = context.schema.tables.get(key)
    if table is not None:
        return table.kind in "rpm"
    of_index = getattr(statement.node, "removeType", None) == enums.ObjectType.OBJECT_INDEX
    return key not in context.schema.sequences and not of_index


# ---------------------------------------------------------------- ALTER TABLE twice


def _again(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    previous = context.before[-1] if context.before else None
    if previous is None or not isinstance(previous.node, ast.AlterTableStmt):
        return
    table = context.schema.find(node.relation)
    if table is None or context.schema.find(previous.node.relation) is not table:
        return
    lock = context.blocking(statement).get(table.key)
    if lock and _lock_of(previous, table.key, context) == lock.mode and _fit(previous.node, node):
        message = f"alters {table.key} right after line {previous.line} has: as one ALTER TABLE"
        once = "pass over it" if lock.work > Work.MOMENT else f"take {lock.mode}"
        yield Hit(f"{message} they would {once} once", table)


def _lock_of(statement: Statement, key: Key, context: Context) -> Mode | None:
    last = context.taken[-1] if context.taken else None
    if last is None or last.statement is not statement or key not in last.locks:
        return None
    return last.locks[key].mode


_ALONE = {_Change.AT_AttachPartition, _Change.AT_DetachPartition, _Change.AT_ValidateConstraint}
_DROPS = {_Change.AT_DropColumn, _Change.AT_DropConstraint}


def _fit(first: Any, second: Any) -> bool:
    """Tell whether two ALTER TABLEs mean the same as one; it drops first, adds and then changes."""
    before, after = list(first.cmds or ()), list(second.cmds or ())
    if any(command.subtype in _ALONE for command in (*before, *after)):
        return False
    nulls = any(command.subtype == _Change.AT_SetNotNull for command in before)
    if nulls and any(command.subtype == _Change.AT_DropConstraint for command in after):
        return False  # the CHECK is the proof that spares the scan
    touched = {_subject(command) for command in after} - {None}
    remade = {_subject(c) for c in before if c.subtype in _REMAKES} | {
        _subject(c) for c in after if c.subtype in _DROPS
    }
    return not remade & touched & {_subject(command) for command in before}


_REMAKES = {_Change.AT_AddColumn, _Change.AT_AddConstraint, _Change.AT_AlterColumnType}


def _subject(command: Any) -> str | None:
    """Return the column or constraint that a subcommand is about."""
    name = command.name or getattr(command.def_, "colname", None)
    return name or getattr(command.def_, "conname", None)


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS137",
        name="statement-after-access-exclusive",
        on=(When.STATEMENT,),
        check=_prolongs,
        summary="a statement takes its time while the transaction keeps everybody out of a table",
        why="A lock lasts to the end of the transaction. ALTER TABLE often needs ACCESS EXCLUSIVE "
        "for a moment only, but in one transaction with a CREATE INDEX, a scan or a rewrite it "
        "keeps it until these are through, and nobody can even read the table.",
        remedy="Put it into a migration of its own, or before the statement that takes the lock.",
        source="https://www.postgresql.org/docs/current/explicit-locking.html",
        weighed=True,
    ),
    Rule(
        code="MS138",
        name="wide-lock-window",
        severity=Severity.INFO,
        on=(When.STATEMENT,),
        check=_widens,
        summary="a transaction keeps everybody out of several tables at once",
        why="Each further table has to be waited for while the first is already locked, so that "
        "the wait for one becomes an outage of both. An application that uses the two in the other "
        "order waits for the migration while the migration waits for it: a deadlock, which the "
        "server ends by failing one of them (40P01).",
        remedy="Alter one table in one migration, with a lock_timeout.",
        source="https://www.postgresql.org/docs/current/explicit-locking.html",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS446",
        name="multiple-alter-table",
        severity=Severity.INFO,
        on=(ast.AlterTableStmt,),
        check=_again,
        summary="several ALTER TABLEs that could be one",
        why="Each ALTER TABLE waits for its lock by itself, unless the transaction has it already, "
        "and each that scans or rewrites passes over the whole table once more. One ALTER TABLE "
        "with several commands does it in one pass. ADD … NOT VALID and its VALIDATE belong apart, "
        "as do SET NOT NULL and the dropping of the CHECK that proves it.",
        remedy="Write the commands into one ALTER TABLE, with commas.",
        source="https://www.postgresql.org/docs/current/sql-altertable.html",
    ),
)
