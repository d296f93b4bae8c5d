"""What a CONCURRENTLY that did not get through leaves behind, and its removal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from psycopg import sql

if TYPE_CHECKING:
    from migsafe.sql import Statement
    from migsafe.target import Connection

_CREATE, _REINDEX = "CREATE INDEX CONCURRENTLY", "REINDEX CONCURRENTLY"

#: INVALID indexes that nobody builds now. Whoever may not see what another session builds is told
#: NULL, and then nothing is known to be left over. A partitioned index is INVALID until all its
#: partitions have one, which is no failure.
_LEFT = """
    SELECT i.indexrelid::bigint, n.nspname, c.relname, t.relname
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid AND c.relkind = 'i'
    JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE NOT i.indisvalid AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_stat_progress_create_index AS p
        WHERE p.datname = pg_catalog.current_database()
          AND coalesce(p.index_relid, i.indexrelid) = i.indexrelid)
    ORDER BY n.nspname, c.relname"""


#: What REINDEX CONCURRENTLY calls the index that it builds, and the one that it drops.
_REBUILT = re.compile(r"_cc(new|old)\d*$")


def clear(conn: Connection, statement: Statement, before: frozenset[tuple[int, str]]) -> None:
    """Drop the INVALID indexes that a failed statement has left: those that were not there before.

    Waits for old snapshots no longer than the session's lock_timeout says.
    """
    node: Any = statement.node
    for oid, schema, name, table in conn.execute(_LEFT).fetchall():
        built = statement.refuses == _CREATE and table == node.relation.relname
        if (oid, name) not in before and (built or _REBUILT.search(name)):
            _drop(conn, schema, name)


def replace(conn: Connection, statement: Statement, schemas: Sequence[str] = ()) -> None:
    """Drop the INVALID indexes in the place of those that a statement is about to build.

    For a migration that is known to have stopped there: an earlier run of it has left that. What
    names no schema means one of `schemas`, or any where there are none.
    """
    for _, schema, name, table in conn.execute(_LEFT).fetchall():
        relation = getattr(statement.node, "relation", None)
        meant = [relation.schemaname] if relation and relation.schemaname else schemas
        if schema in (meant or [schema]) and _in_place(statement, name, table):
            _drop(conn, schema, name)


def _in_place(statement: Statement, name: str, table: str) -> bool:
    """Tell whether a statement makes an INVALID index, by the names of that and its table."""
    node: Any = statement.node
    if statement.refuses == _CREATE:
        return bool((name, table) == (node.idxname, node.relation.relname))
    rebuilt = _REBUILT.search(name)
    if statement.refuses != _REINDEX or rebuilt is None:
        return False
    named = node.relation.relname if node.relation else None  # None: of a schema, or of all
    return named in (None, table, name[: rebuilt.start()])


def _drop(conn: Connection, schema: str, name: str) -> None:
    conn.execute(sql.SQL("DROP INDEX CONCURRENTLY {}").format(sql.Identifier(schema, name)))


def finalizing(conn: Connection, statement: Statement) -> str | None:
    """Return what ends a DETACH PARTITION … CONCURRENTLY that was cut off, None where none was."""
    node: Any = statement.node
    names = [node.relation, node.cmds[0].def_.name]
    if conn.info.server_version < 140000:
        return None
    row = conn.execute(
        """SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits
                          WHERE inhdetachpending AND inhparent = to_regclass(%s)
                            AND inhrelid = to_regclass(%s))""",
        [_quoted(one) for one in names],
    ).fetchone()
    if not (row and row[0]):
        return None
    parent, child = map(_quoted, names)
    return f"ALTER TABLE {parent} DETACH PARTITION {child} FINALIZE"


def _quoted(relation: Any) -> str:
    names = filter(None, [relation.schemaname, relation.relname])
    return sql.Identifier(*names).as_string()
