"""Whom the statements of a walk wait for, by relation of the target and lock mode. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from pglast import ast, enums

from migsafe.hazards.context import Context
from migsafe.hazards.locks import Mode
from migsafe.schema import Key
from migsafe.sql import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What a migration waits for: users of one relation, or of old snapshots without one.

    `relation` has the name that it has in the target. Beside the queue of its lock, of `mode`, a
    statement may wait for all who hold a lock that conflicts with `holders`. The place is that of
    the first statement that waits so.
    """

    migration: str
    relation: Key | None = None
    mode: Mode | None = None
    holders: Mode | None = None
    file: str = field(compare=False)
    line: int = field(compare=False)
    statement: int = field(compare=False)

    def is_for(self, mode: Mode, *, granted: bool) -> bool:
        """Tell whether it waits for one who holds a lock of a mode, or has asked for it before."""
        asked = (self.mode, self.holders if granted else None)
        return any(mode in own.conflicting for own in asked if own)


#: What a statement waits for beside the queue of its lock: `WaitForLockers` with a mode, and
#: `WaitForOlderSnapshots` (indexcmds.c, index.c and tablecmds.c of PostgreSQL 13 to 18).
_BESIDE = {
    "CREATE INDEX CONCURRENTLY": (Mode.SHARE, True),
    "DROP INDEX CONCURRENTLY": (Mode.ACCESS_EXCLUSIVE, False),
    "REINDEX CONCURRENTLY": (Mode.ACCESS_EXCLUSIVE, True),
    "DETACH PARTITION CONCURRENTLY": (Mode.ACCESS_EXCLUSIVE, False),
}

_FINALIZE = enums.AlterTableType.AT_DetachPartitionFinalize


def note(context: Context, statement: Statement, found: dict[Wait, None]) -> None:
    """Add what a statement waits for, before the schema is moved on; each wait is kept once."""
    for wait in _of(context, statement):
        found.setdefault(wait)


def _of(context: Context, statement: Statement) -> Iterator[Wait]:
    holders, snapshots = _beside(statement)
    wait = partial(
        Wait,
        migration=context.unit.name,
        file=context.unit.file,
        line=statement.line,
        statement=statement.index,
    )
    for key, lock in context.locks(statement).items():
        table = context.schema.tables.get(key)
        yield wait(relation=(table and table.live) or key, mode=lock.mode, holders=holders)
    if snapshots:
        yield wait()


def _beside(statement: Statement) -> tuple[Mode | None, bool]:
    node = statement.node
    if isinstance(node, ast.AlterTableStmt) and any(
        command.subtype == _FINALIZE for command in node.cmds or ()
    ):
        return None, True
    return _BESIDE.get(statement.refuses or "", (None, False))
