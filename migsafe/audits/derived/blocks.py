"""What a DO block runs, where its text shows it. Pure.

A block that only adds things and writes rows is followed; of any other nobody can tell.
"""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe import sql
from migsafe.audits.derived import settings
from migsafe.hazards import plpgsql
from migsafe.schema import Key, Schema, reading

_Change = enums.AlterTableType

_ADDING = {
    _Change.AT_AddColumn,
    _Change.AT_AddConstraint,
    _Change.AT_ColumnDefault,
    _Change.AT_SetNotNull,
    _Change.AT_ValidateConstraint,
}

#: Statements after which everything has the names and types that it had before.
_FOLLOWED = (
    ast.AlterEnumStmt,
    ast.CommentStmt,
    ast.CreateDomainStmt,
    ast.CreateEnumStmt,
    ast.CreateExtensionStmt,
    ast.CreateSchemaStmt,
    ast.CreateStmt,
    ast.DeleteStmt,
    ast.GrantStmt,
    ast.IndexStmt,
    ast.InsertStmt,
    ast.SelectStmt,
    ast.UpdateStmt,
    ast.VariableSetStmt,
)


def read(text: str) -> list[Any] | None:
    """Return the statements of a DO block as trees, None where they are not all known."""
    nodes: list[Any] = []
    try:
        for piece in plpgsql.read(text):
            if piece.text is None or piece.ends is not None:
                return None
            written = [statement.node for statement in sql.parse(piece.text)]
            if piece.maybe and any(map(settings.decides, written)):
                return None
            nodes += written
    except (plpgsql.UnreadableError, sql.SqlError):
        return None
    return nodes if all(_is_followed(node) for node in nodes) else None


def _is_followed(node: Any) -> bool:
    if isinstance(node, ast.AlterTableStmt):
        return all(command.subtype in _ADDING for command in node.cmds or ())
    return isinstance(node, _FOLLOWED)


def missing(schema: Schema, node: Any) -> Iterator[Any]:
    """Yield a statement without what is there already, which its block will pass over."""
    if isinstance(node, ast.AlterTableStmt):
        table = schema.find(node.relation)
        commands = tuple(c for c in node.cmds or () if table and not _has(table, c))
        if commands:
            yield ast.AlterTableStmt(
                relation=node.relation, cmds=commands, objtype=node.objtype, missing_ok=True
            )
    elif isinstance(node, ast.CreateStmt):
        if schema.find(node.relation) is None:
            yield node
    elif isinstance(node, ast.IndexStmt):
        relation: Any = node.relation
        if not node.idxname or schema.index(relation.schemaname, node.idxname) is None:
            yield node
    elif not (isinstance(node, ast.CreateEnumStmt) and _key(schema, node) in schema.enums):
        yield node


def _has(table: Any, command: Any) -> bool:
    if command.subtype == _Change.AT_AddColumn:
        return command.def_.colname in table.columns
    return command.subtype == _Change.AT_AddConstraint and command.def_.conname in table.constraints


def _key(schema: Schema, node: Any) -> Key:
    return reading.key_of(node.typeName, schema, schema.enums)
