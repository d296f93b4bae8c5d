"""The relation locks of a statement, as a pure function of its tree and the schema before it.

Held against `tests/cases/constructs.sql`, which was measured on PostgreSQL 11 to 18. What functions
and triggers do when they run is not followed, and of a statement that is not here nothing is known.
"""

from collections.abc import Callable
from typing import Any

from pglast import ast

from migsafe.hazards.locks import changing, dropping, making, rows
from migsafe.hazards.locks.taking import Lock, Mode, Taking, Work
from migsafe.schema import Key, Schema

__all__ = ["Lock", "Mode", "Work", "taken"]


def taken(
    node: Any, schema: Schema, *, version: int | None = None, utc: bool = False
) -> dict[Key, Lock]:
    """Return the strongest lock and the longest work by relation; sequences are among them.

    An unknown version is a present one. `utc` says that TimeZone is UTC. A relation that the
    statement makes is not in it, and an index whose table is not known stands for the table.
    """
    taking = Taking(schema, version, utc)
    if take := _STATEMENTS.get(type(node)):
        take(taking, node)
    return taking.locks


_STATEMENTS: dict[type, Callable[[Taking, Any], None]] = {
    ast.AlterDomainStmt: changing.alter_domain,
    ast.AlterOwnerStmt: changing.set_owner,
    ast.AlterObjectSchemaStmt: changing.set_schema,
    ast.AlterPolicyStmt: making.policy,
    ast.AlterPublicationStmt: making.publication,
    ast.AlterSeqStmt: changing.alter_sequence,
    ast.AlterTableStmt: changing.alter,
    ast.ClusterStmt: rows.cluster,
    ast.CommentStmt: changing.comment,
    ast.CopyStmt: rows.copy,
    ast.CreatePolicyStmt: making.policy,
    ast.CreatePublicationStmt: making.publication,
    ast.CreateForeignTableStmt: making.create_foreign_table,
    ast.CreateSchemaStmt: making.create_schema,
    ast.CreateSeqStmt: making.create_sequence,
    ast.CreateStatsStmt: making.create_statistics,
    ast.CreateStmt: making.create_table,
    ast.CreateTableAsStmt: making.create_table_as,
    ast.CreateTrigStmt: making.create_trigger,
    ast.DeclareCursorStmt: rows.query,
    ast.DeleteStmt: rows.delete,
    ast.DropStmt: dropping.take,
    ast.ExplainStmt: rows.query,
    ast.GrantStmt: changing.grant,
    ast.IndexStmt: making.create_index,
    ast.InsertStmt: rows.insert,
    ast.LockStmt: rows.lock,
    ast.MergeStmt: rows.merge,
    ast.RefreshMatViewStmt: making.refresh,
    ast.ReindexStmt: making.reindex,
    ast.RenameStmt: changing.rename,
    ast.RuleStmt: making.create_rule,
    ast.SelectStmt: rows.select,
    ast.TruncateStmt: rows.truncate,
    ast.UpdateStmt: rows.update,
    ast.VacuumStmt: rows.vacuum,
    ast.ViewStmt: making.create_view,
}
