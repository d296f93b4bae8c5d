"""Hazards of building, dropping and rebuilding indexes: who waits meanwhile, and what may remain.

`index_keys` has what an index holds.
"""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums

from migsafe.findings import Severity
from migsafe.hazards import Context, Hit, Rule, around
from migsafe.schema import Index, Table
from migsafe.sql import Statement

_Object = enums.ObjectType


def _builds(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    table = context.table(node.relation)
    if node.concurrent or table.kind == "p":
        return
    if node.if_not_exists and node.idxname in table.indexes:
        message = f"waits for SHARE on {table.key}, and holds up its writers, even though"
        yield Hit(f"{message} {node.idxname} is there", table, Severity.INFO)
        return
    built = node.idxname or "an index"
    yield Hit(f"builds {built} under SHARE on {table.key}, so that nobody can write to it", table)


def _builds_on_partitioned(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    """Yield one hit; with ON ONLY nothing is built."""
    table = context.table(node.relation)
    if table.kind != "p":
        return
    if node.concurrent:
        message = f"CREATE INDEX CONCURRENTLY fails on {table.key}, which is partitioned (0A000)"
        yield Hit(message, severity=Severity.ERROR)
    elif node.relation.inh:
        parts = list(context.schema.children(table.key))
        if parts or not context.schema.complete:
            message = f"builds an index on each partition under SHARE on {table.key} and all of"
            suffers = (part for part in (table, *parts) if not context.fresh(part))
            yield Hit(f"{message} them, so that nobody can write to it", next(suffers, table))


def dropped(node: Any, context: Context) -> Iterator[tuple[str, Table | None, Index | None]]:
    """Yield each index that a DROP INDEX names, with its table where it is known."""
    if node.removeType != _Object.OBJECT_INDEX:
        return
    for parts in node.objects:
        names = [part.sval for part in parts]
        found = context.schema.index(names[-2] if len(names) > 1 else None, names[-1])
        yield (names[-1], *(found or (None, None)))


def _drops(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    if node.concurrent:
        return
    for name, table, _index in dropped(node, context):
        if table is None and node.missing_ok and context.schema.complete:
            continue
        if table and name in table.constraints:
            continue  # refused, before it takes a lock that lasts
        suffers = table.key if table else "its table, which is not known here"
        message = f"DROP INDEX {name} takes ACCESS EXCLUSIVE on {suffers}, so that nobody can use"
        yield Hit(f"{message} it until the transaction ends", table)


def _reindexes(node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    kinds = enums.ReindexObjectType
    if node.kind == kinds.REINDEX_OBJECT_SYSTEM or statement.refuses == "REINDEX CONCURRENTLY":
        return
    table: Table | None = None
    if node.kind == kinds.REINDEX_OBJECT_TABLE:
        table = context.table(node.relation)
    elif node.kind == kinds.REINDEX_OBJECT_INDEX:
        found = context.schema.index(node.relation.schemaname, node.relation.relname)
        table = found[0] if found else None
    suffers = table.key if table else "each table"
    yield Hit(
        f"rebuilds under SHARE on {suffers} and ACCESS EXCLUSIVE on each index, so that nobody can "
        "write, and who plans a query of it waits too",
        table,
    )


def _replaces(node: Any, _statement: Statement, context: Context) -> Iterator[Hit]:
    """Yield each dropped index whose successor a later statement of the migration builds."""
    for name, table, index in dropped(node, context):
        if index is None and node.missing_ok:
            continue  # clears away what a failed build may have left
        builds = around.later(context, ast.IndexStmt)
        if any(_succeeds(build, name, table, index, context) for build in builds):
            if table and index and _stands_in(table, index):
                continue
            yield Hit(_gap(name, table, context), table)


def _succeeds(
    build: Any, name: str, table: Table | None, index: Index | None, context: Context
) -> bool:
    if build.idxname == name:
        return True
    if table is None or index is None or context.schema.find(build.relation) is not table:
        return False
    first = build.indexParams[0].name
    return first is not None and first == index.columns[0]


def _stands_in(table: Table, index: Index) -> bool:
    """Tell whether another index leads with the same column."""
    return any(
        other is not index and other.valid and other.columns[:1] == index.columns[:1]
        for other in table.indexes.values()
        if other.columns[0] is not None
    )


def _gap(name: str, table: Table | None, context: Context) -> str:
    suffers = table.key if table else "its table"
    if context.in_transaction:
        return (
            f"drops {name} before its successor is built, which happens under the ACCESS EXCLUSIVE "
            f"lock on {suffers} that the drop has taken, so that nobody can use it"
        )
    return (
        f"drops {name} before its successor is built, so that queries of {suffers} have neither "
        "meanwhile"
    )


def _corrupts(_node: Any, statement: Statement, context: Context) -> Iterator[Hit]:
    minor = context.schema.minor
    if context.version != 14 or (minor is not None and minor >= 4):
        return
    if statement.refuses in ("CREATE INDEX CONCURRENTLY", "REINDEX CONCURRENTLY"):
        message = f"{statement.refuses} may leave rows out of the index on PostgreSQL 14.0 to 14.3"
        yield Hit(message, severity=None if minor is None else Severity.ERROR)


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS101",
        name="create-index-not-concurrent",
        on=(ast.IndexStmt,),
        check=_builds,
        summary="an index is built while nobody can write to the table",
        why="CREATE INDEX holds SHARE on the table until the index is built: reads go on, and "
        "every INSERT, UPDATE and DELETE waits. In a transaction the lock lasts to its end. "
        "CONCURRENTLY takes SHARE UPDATE EXCLUSIVE instead, reads the table twice, and lets "
        "writers through. Even CREATE INDEX IF NOT EXISTS waits for SHARE where the index is "
        "there.",
        remedy="Write CREATE INDEX CONCURRENTLY, in a migration of its own that runs outside of a "
        "transaction.",
        source="https://www.postgresql.org/docs/current/sql-createindex.html",
        lock="SHARE",
        weighed=True,
    ),
    Rule(
        code="MS102",
        name="drop-index-not-concurrent",
        on=(ast.DropStmt,),
        check=_drops,
        summary="an index is dropped while nobody can use the table",
        why="DROP INDEX takes ACCESS EXCLUSIVE on the table, not only on the index. It is over at "
        "once when it has the lock, but it waits for every open transaction that has touched the "
        "table, and every later query waits behind it. An index of a partitioned table cannot be "
        "dropped CONCURRENTLY; there a short lock_timeout and another try have to do.",
        remedy="Write DROP INDEX CONCURRENTLY, outside of a transaction.",
        source="https://www.postgresql.org/docs/current/sql-dropindex.html",
        lock="ACCESS EXCLUSIVE",
    ),
    Rule(
        code="MS103",
        name="reindex-not-concurrent",
        on=(ast.ReindexStmt,),
        check=_reindexes,
        summary="indexes are rebuilt while nobody can write, and hardly anybody can read",
        why="REINDEX holds SHARE on the table, so that writers wait, and ACCESS EXCLUSIVE on the "
        "index. Planning looks at every index of a table, so that queries wait as well, even those "
        "that would not use this one. REINDEX CONCURRENTLY (since PostgreSQL 12) builds a twin "
        "beside it and lets everybody through.",
        remedy="Write REINDEX … CONCURRENTLY, outside of a transaction. On PostgreSQL 11, create "
        "the same index CONCURRENTLY under another name and drop the old one.",
        source="https://www.postgresql.org/docs/current/sql-reindex.html",
        lock="SHARE",
        weighed=True,
    ),
    Rule(
        code="MS104",
        name="create-index-on-partitioned",
        on=(ast.IndexStmt,),
        check=_builds_on_partitioned,
        summary="an index is built on all partitions while nobody can write to any",
        why="CREATE INDEX on a partitioned table locks it and all partitions in SHARE and builds "
        "one index after another; no lock is given back before the last is built. CONCURRENTLY is "
        "refused there. ON ONLY makes the parent's index without building any; it becomes valid "
        "when every partition's own index is attached to it.",
        remedy="Create the index ON ONLY the parent, build one CONCURRENTLY on each partition, and "
        "attach them with ALTER INDEX … ATTACH PARTITION.",
        source="https://www.postgresql.org/docs/current/ddl-partitioning.html",
        lock="SHARE",
        weighed=True,
    ),
    Rule(
        code="MS115",
        name="replace-index",
        on=(ast.DropStmt,),
        check=_replaces,
        summary="an index is dropped before its successor is built",
        why="Between DROP INDEX and the end of CREATE INDEX queries have neither index, and one "
        "that took a millisecond may read the whole table. In one transaction it is worse: the "
        "drop holds ACCESS EXCLUSIVE while the new index is built, so that nothing runs at all.",
        remedy="Create the new index under another name first, CONCURRENTLY, and drop the old one "
        "afterwards.",
        source="https://www.postgresql.org/docs/current/sql-createindex.html",
        lock="ACCESS EXCLUSIVE",
        weighed=True,
    ),
    Rule(
        code="MS334",
        name="concurrent-index-corruption-14",
        on=(ast.IndexStmt, ast.ReindexStmt),
        check=_corrupts,
        summary="an index that is built CONCURRENTLY on PostgreSQL 14.0 to 14.3 may miss rows",
        why="In the releases 14.0 to 14.3 a row that is updated while CREATE INDEX CONCURRENTLY or "
        "REINDEX CONCURRENTLY runs may be missing from the index. Queries then do not find it, and "
        "a unique index lets a second one in. Release 14.4 mended it.",
        remedy="Bring the server to 14.4 or later first, and check indexes built before with "
        "pg_amcheck --heapallindexed.",
        source="https://www.postgresql.org/docs/release/14.4/",
        spares_new=False,
        since=14,
        until=14,
    ),
)
