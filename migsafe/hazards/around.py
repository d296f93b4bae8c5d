"""Statements before and after the one that a rule is asked about, in its migration. Pure."""

from collections.abc import Iterator
from typing import Any

from pglast import ast

from migsafe.hazards.context import Context
from migsafe.schema import Key


def later(context: Context, kind: Any) -> Iterator[Any]:
    """Yield the nodes of a kind that follow in the migration, after the statement asked about."""
    statements = context.unit.statements
    for position in range(len(context.before) + 1, len(statements)):
        if isinstance(node := statements[position].node, kind):
            yield node


def altered(context: Context, subtype: Any) -> Iterator[tuple[Key, Any]]:
    """Yield the subcommands of one kind so far in the migration, with the table of each."""
    for statement in context.before:
        if isinstance(statement.node, ast.AlterTableStmt):
            for command in statement.node.cmds or ():
                if command.subtype == subtype:
                    relation: Any = statement.node.relation
                    yield context.schema.key(relation.schemaname, relation.relname), command
