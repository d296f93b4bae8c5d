"""What a dump holds beyond the fingerprint, read to be compared after a restore.

Unlogged tables, migsafe's own ledger, large objects, and where sequences stand. What this role may
not read is left out: pg_dump refuses it, and says so.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
from psycopg import sql

from migsafe import catalog
from migsafe.target import Connection

#: Sequences that one question is about; arbitrary.
_AT_ONCE = 200

_LEDGER = "n.nspname = 'migsafe'"


def counts(conn: Connection, more: Iterable[str] = ()) -> dict[str, int]:
    """Count the rows of unlogged tables, of the ledger, and of those named as ``schema.table``."""
    rows = conn.execute(
        f"""SELECT n.nspname, c.relname FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE c.relkind = 'r' AND NOT {catalog.IN_EXTENSION}
              AND (({catalog.OWN} AND c.relpersistence = 'u') OR {_LEDGER}
                   OR n.nspname || '.' || c.relname = ANY(%s))
            ORDER BY 1, 2""",  # noqa: S608  # constants
        [list(more)],
    ).fetchall()
    counted = {f"{schema}.{name}": _count(conn, str(schema), str(name)) for schema, name in rows}
    return {name: number for name, number in counted.items() if number is not None}


def _count(conn: Connection, schema: str, table: str) -> int | None:
    query = sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier(schema, table))
    try:
        with conn.transaction():
            return int(catalog.one(conn, query)[0])
    except psycopg.errors.InsufficientPrivilege:
        return None


def lock(conn: Connection, begin: str) -> None:
    """Begin a transaction that has read nothing yet, and keep others from changing its tables.

    A table that is truncated or rewritten after a snapshot was taken is empty in it
    (https://www.postgresql.org/docs/current/mvcc-caveats.html), so the snapshot has to come after
    the locks. `begin` begins the transaction once the names are known.
    """
    rows = conn.execute(
        f"""SELECT n.nspname, c.relname FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
              AND ({catalog.OWN} OR {_LEDGER}) AND NOT {catalog.IN_EXTENSION}
              AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
            ORDER BY c.oid"""  # noqa: S608  # constants
    ).fetchall()
    conn.execute(begin.encode())
    if rows:
        names = sql.SQL(", ").join(
            sql.SQL("ONLY {}").format(sql.Identifier(*map(str, row))) for row in rows
        )
        conn.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names))


def objects(conn: Connection) -> int:
    """Count the large objects."""
    return int(catalog.one(conn, "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata")[0])


def sequences(conn: Connection) -> dict[str, int]:
    """Return the number that each sequence gives next; a sequence has no versions to see."""
    rows = conn.execute(
        f"""SELECT n.nspname, c.relname, s.seqincrement FROM pg_catalog.pg_sequence AS s
            JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE ({catalog.OWN} OR {_LEDGER}) AND c.relpersistence <> 't'
              AND NOT {catalog.IN_EXTENSION} AND has_schema_privilege(n.oid, 'USAGE')
              AND has_table_privilege(c.oid, 'SELECT')
            ORDER BY 1, 2"""  # noqa: S608  # constants
    ).fetchall()
    found: dict[str, int] = {}
    for start in range(0, len(rows), _AT_ONCE):
        query = sql.SQL(" UNION ALL ").join(_next(*row) for row in rows[start : start + _AT_ONCE])
        found |= {str(name): int(number) for name, number in conn.execute(query)}
    return found


def _next(schema: str, name: str, step: int) -> sql.Composed:
    return sql.SQL(
        "SELECT {}, last_value::numeric + CASE WHEN is_called THEN {} ELSE 0 END FROM {}"
    ).format(sql.Literal(f"{schema}.{name}"), sql.Literal(step), sql.Identifier(schema, name))


def roles(conn: Connection, settings: Mapping[str, Any]) -> list[str]:
    """Return the roles that something in this database belongs to, or is granted to.

    `settings` are the database's own by role. The server's first superuser is not recorded.
    """
    rows = conn.execute(
        """SELECT DISTINCT r.rolname FROM pg_catalog.pg_shdepend AS s
           JOIN pg_catalog.pg_roles AS r ON r.oid = s.refobjid
           JOIN pg_catalog.pg_database AS d ON d.datname = current_database()
           WHERE s.refclassid = 'pg_catalog.pg_authid'::regclass
             AND (s.dbid = d.oid
                  OR (s.classid = 'pg_catalog.pg_database'::regclass AND s.objid = d.oid))"""
    )
    return sorted({str(name) for (name,) in rows} | {role for role in settings if role})
