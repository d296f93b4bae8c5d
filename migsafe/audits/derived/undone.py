"""Which of the statements so far a ROLLBACK leaves done. Pure."""

from collections.abc import Sequence

from pglast import ast, enums

from migsafe.hazards import Unit
from migsafe.sql import Statement

_Kind = enums.TransactionStmtKind

Step = tuple[Unit, Statement]


def kept(steps: Sequence[Step], unit: Unit, statement: Statement) -> int:
    """Return how many of the steps, from the first, are still done after a statement."""
    node = statement.node
    kind = node.kind if isinstance(node, ast.TransactionStmt) else None
    if kind == _Kind.TRANS_STMT_ROLLBACK:
        return _before_transaction(steps, unit)
    if kind == _Kind.TRANS_STMT_ROLLBACK_TO:
        return _savepoint(steps, unit, node.savepoint_name)
    return len(steps)


def _before_transaction(steps: Sequence[Step], unit: Unit) -> int:
    first = len(steps) - sum(1 for of, _ in steps if of is unit)
    for at in range(len(steps) - 1, first - 1, -1):
        node = steps[at][1].node
        if isinstance(node, ast.TransactionStmt) and node.kind in _BEGINS:
            return at
        if isinstance(node, ast.TransactionStmt) and node.kind in _ENDS:
            return len(steps)
    return first if unit.transaction else len(steps)


_BEGINS = (_Kind.TRANS_STMT_BEGIN, _Kind.TRANS_STMT_START)
_ENDS = (_Kind.TRANS_STMT_COMMIT, _Kind.TRANS_STMT_ROLLBACK)


def _savepoint(steps: Sequence[Step], unit: Unit, name: str) -> int:
    """Return how many steps lead to the savepoint of a name that is not released, itself included.

    Without one the server refuses the statement.
    """
    released = 0
    for at in range(len(steps) - 1, -1, -1):
        of, statement = steps[at]
        node = statement.node
        if of is not unit:
            break
        if not isinstance(node, ast.TransactionStmt) or node.savepoint_name != name:
            continue
        if node.kind == _Kind.TRANS_STMT_RELEASE:
            released += 1
        elif node.kind == _Kind.TRANS_STMT_SAVEPOINT and released:
            released -= 1
        elif node.kind == _Kind.TRANS_STMT_SAVEPOINT:
            return at + 1
    return len(steps)
