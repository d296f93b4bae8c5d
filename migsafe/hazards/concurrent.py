"""Hazards of CONCURRENTLY: it needs transactions of its own, and time, and may leave a wreck."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule
from migsafe.sql import Statement

#: What waits for the transactions of others, at least once and whatever they touch.
_WAITS = frozenset(
    {
        "CREATE INDEX CONCURRENTLY",
        "DROP INDEX CONCURRENTLY",
        "REINDEX CONCURRENTLY",
        "DETACH PARTITION CONCURRENTLY",
    }
)

#: Milliseconds from which a timeout is no longer called short; arbitrary.
_PATIENT = 600_000


def _in_transaction(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    refuses = context.in_transaction and (statement.refuses or _each_by_itself(node, context))
    if refuses:
        opened = f"line {context.begun.line}" if context.begun else "the runner"
        yield Hit(f"{refuses} fails in the transaction that {opened} opens (25001)")


def _each_by_itself(node: Any, context: Context) -> str | None:
    """Return what a statement does that takes a transaction for each partition."""
    if not isinstance(node, ast.ReindexStmt | ast.ClusterStmt) or node.relation is None:
        return None
    table = context.schema.find(node.relation)
    if getattr(node, "kind", None) == enums.ReindexObjectType.REINDEX_OBJECT_INDEX:
        found = context.schema.index(node.relation.schemaname, node.relation.relname or "")
        table = found[0] if found else None
    name = "REINDEX" if isinstance(node, ast.ReindexStmt) else "CLUSTER"
    return f"{name} of a partitioned table" if table and table.kind == "p" else None


def _impatient(_node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    if statement.refuses not in _WAITS or context.in_transaction:
        return
    for name, stops in (
        ("lock_timeout", "while it waits for older transactions"),
        ("statement_timeout", "before it is through"),
    ):
        if 0 < (context.milliseconds(name) or 0) < _PATIENT:
            detaches = statement.refuses == "DETACH PARTITION CONCURRENTLY"
            left = "the partition half detached" if detaches else "an INVALID index"
            yield Hit(f"{name} may stop {statement.refuses} {stops}, which leaves {left}")


def _skips_invalid(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    """Yield what IF NOT EXISTS may take for the index; the target's catalog tells."""
    if not node.if_not_exists or _is_cleared(node.idxname, context):
        return
    table = context.table(node.relation)
    there = table.indexes.get(node.idxname)
    if there and not there.valid:
        message = f"IF NOT EXISTS is content with {node.idxname}, which is there but INVALID"
        yield Hit(message, table, Severity.ERROR)
    elif node.concurrent and not context.schema.complete:
        message = f"IF NOT EXISTS is content with an INVALID {node.idxname} that a build which"
        yield Hit(f"{message} failed has left on {table.key}", table)


def _is_cleared(name: str | None, context: Context) -> bool:
    """Tell whether this migration drops the index before, or looks whether it is INVALID."""
    for statement in context.before:
        node = statement.node
        if isinstance(node, ast.DropStmt) and node.removeType == enums.ObjectType.OBJECT_INDEX:
            if any(parts[-1].sval == name for parts in node.objects or ()):
                return True
        elif "indisvalid" in statement.text:
            return True
    return False


def _retried(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if not node.concurrent or node.if_not_exists or context.in_transaction:
        return
    table = context.table(node.relation)
    if node.idxname is None:
        message = "leaves an INVALID index when it fails, and builds another beside it when it is"
        yield Hit(f"{message} run again, since it has no name", table, Severity.WARNING)
    elif there := table.indexes.get(node.idxname):
        state = "there" if there.valid else "there and INVALID"
        severity = Severity.ERROR if context.schema.complete else Severity.WARNING
        yield Hit(f"fails while {node.idxname} is {state} (42P07)", table, severity)
    elif not _is_cleared(node.idxname, context):
        message = f"leaves {node.idxname} INVALID when it fails, and then fails when it is run"
        yield Hit(f"{message} again (42P07)", table)


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS402",
        name="concurrent-in-transaction",
        severity=Severity.ERROR,
        on=(
            *(ast.IndexStmt, ast.DropStmt, ast.ReindexStmt, ast.AlterTableStmt, ast.VacuumStmt),
            *(ast.ClusterStmt, ast.CreatedbStmt, ast.DropdbStmt, ast.AlterDatabaseStmt),
            *(ast.CreateTableSpaceStmt, ast.DropTableSpaceStmt, ast.AlterSystemStmt),
            *(ast.CreateSubscriptionStmt, ast.AlterSubscriptionStmt, ast.DropSubscriptionStmt),
            ast.DiscardStmt,
        ),
        check=_in_transaction,
        summary="a statement that refuses transactions stands in one",
        why="CREATE INDEX CONCURRENTLY, DROP INDEX CONCURRENTLY, REINDEX CONCURRENTLY and DETACH "
        "PARTITION CONCURRENTLY use several transactions of their own, so PostgreSQL refuses them "
        "in a transaction block, as it does VACUUM, CREATE DATABASE and others. A BEGIN in the "
        "file opens such a block, and so does a runner that wraps each migration. REFRESH "
        "MATERIALIZED VIEW CONCURRENTLY is not among them.",
        remedy="Put it into a migration of its own, and let the runner not wrap that one.",
        source="https://www.postgresql.org/docs/current/sql-createindex.html",
        fails="25001",
        spares_new=False,
    ),
    Rule(
        code="MS146",
        name="concurrent-with-short-lock-timeout",
        on=(ast.IndexStmt, ast.DropStmt, ast.ReindexStmt, ast.AlterTableStmt),
        check=_impatient,
        summary="a timeout stops CONCURRENTLY while it waits, and leaves an INVALID index",
        why="What runs CONCURRENTLY waits for every transaction that is older than itself, even "
        "for one that never touched the table, and lock_timeout counts while it waits. A report "
        "that takes a minute is enough to stop an index build with a lock_timeout of five seconds. "
        "The index stays INVALID: every write maintains it and no query uses it. The waiting "
        "blocks nobody, so a short timeout protects nothing here.",
        remedy="Write SET lock_timeout = 0 and SET statement_timeout = 0 before it and RESET both "
        "after it, and look for old transactions in pg_stat_activity first.",
        source="measured on PostgreSQL 11 to 18",
        lock="SHARE UPDATE EXCLUSIVE",
    ),
    Rule(
        code="MS332",
        name="concurrent-if-not-exists-invalid",
        on=(ast.IndexStmt,),
        check=_skips_invalid,
        summary="IF NOT EXISTS takes an INVALID index for the one that is wanted",
        why="A CREATE INDEX CONCURRENTLY that fails or is cancelled leaves its index behind, "
        "marked INVALID: no query uses it, and a unique one does not hold. IF NOT EXISTS looks at "
        "the name alone, so that the next run passes with a notice, and the index is never built.",
        remedy="Write DROP INDEX CONCURRENTLY IF EXISTS before it instead of IF NOT EXISTS, and "
        "check pg_index.indisvalid afterwards.",
        source="https://www.postgresql.org/docs/current/sql-createindex.html",
        lock="SHARE UPDATE EXCLUSIVE",
    ),
    Rule(
        code="MS403",
        name="concurrent-index-retry-unsafe",
        severity=Severity.INFO,
        on=(ast.IndexStmt,),
        check=_retried,
        summary="a failed CREATE INDEX CONCURRENTLY cannot simply be run again",
        why="When CREATE INDEX CONCURRENTLY fails, by a duplicate, a deadlock, a timeout or a lost "
        "connection, it leaves an INVALID index. The next try finds the name taken; without a name "
        "PostgreSQL chooses another, and the INVALID index stays beside the new one.",
        remedy="Name the index, and write DROP INDEX CONCURRENTLY IF EXISTS before it.",
        source="https://www.postgresql.org/docs/current/sql-createindex.html",
        lock="SHARE UPDATE EXCLUSIVE",
    ),
)
