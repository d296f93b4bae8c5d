"""Hazards of session settings: all migrations of a run share one session."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.hazards import Context, Hit, Rule, When
from migsafe.schema import configs
from migsafe.sql import Statement


def _leaks(_node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    """Yield each SET that is still in force when the file ends.

    `SET LOCAL`, and set_config with true, end with the transaction; RESET and DISCARD ALL undo.
    """
    open_settings: dict[str, Statement] = {}
    for statement in context.before:
        for name in _set(statement.node):
            open_settings[name] = statement
        undone = _reset(statement.node)
        if undone is None:
            open_settings.clear()
        elif undone:
            open_settings.pop(undone, None)
    for name, statement in open_settings.items():
        message = f"SET {name} stays in force for every later migration of the run"
        yield Hit(message, statement=statement)


def _set(node: Any) -> Iterator[str]:
    kind = enums.VariableSetKind
    if isinstance(node, ast.VariableSetStmt):
        if node.kind in (kind.VAR_SET_VALUE, kind.VAR_SET_CURRENT) and not node.is_local:
            yield str(node.name).lower()
        elif node.kind == kind.VAR_SET_MULTI and node.name == "SESSION CHARACTERISTICS":
            yield "session characteristics"
    for said in configs.given(node):
        if not said.local:
            yield said.name or "a setting whose name is computed"


def _reset(node: Any) -> str | None:
    """Return the setting that a statement resets, an empty string for none, None for all."""
    kind = enums.VariableSetKind
    if isinstance(node, ast.VariableSetStmt):
        if node.kind == kind.VAR_RESET_ALL:
            return None
        if node.kind in (kind.VAR_RESET, kind.VAR_SET_DEFAULT) and not node.is_local:
            return str(node.name).lower()
    if isinstance(node, ast.DiscardStmt) and node.target == enums.DiscardMode.DISCARD_ALL:
        return None
    return ""


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS401",
        name="session-setting-leaks",
        on=(When.END,),
        check=_leaks,
        summary="a session setting leaks into the migrations that follow",
        why="All migrations of a run share one session, in migsafe as in Prisma. A SET without "
        "LOCAL that one file leaves behind is in force for every later file, which was written and "
        "tested without it.",
        remedy="Write SET LOCAL, or RESET it at the end of the file.",
        source="https://www.postgresql.org/docs/current/sql-set.html",
    ),
)
