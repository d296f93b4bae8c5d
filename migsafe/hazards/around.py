"""Statements before and after the one that a rule is asked about, in its migration. Pure."""

from collections.abc import Iterator
from typing import Any

from migsafe.hazards.context import Context


def later(context: Context, kind: Any) -> Iterator[Any]:
    """Yield the nodes of a kind that follow in the migration, after the statement asked about."""
    statements = context.unit.statements
    for position in range(len(context.before) + 1, len(statements)):
        if isinstance(node := statements[position].node, kind):
            yield node
