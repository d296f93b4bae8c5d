"""How many rows the application's tables hold: counted while there is time, estimated after that.

Left out: what an extension owns, temporary tables, and unlogged ones, which a copy of the storage
brings back empty.
"""

import time
from collections.abc import Mapping

import psycopg
from msgspec import Struct
from psycopg import sql

from migsafe import catalog
from migsafe.target import Connection


class Counts(Struct, frozen=True, kw_only=True):
    """Rows by table, as ``schema.name``; those of `estimated` are the planner's, -1 for unknown."""

    rows: dict[str, int]
    estimated: tuple[str, ...]


def read(conn: Connection, budget: float) -> Counts:
    """Count for `budget` seconds, small tables first, inside the caller's transaction.

    A table that cannot be counted is estimated: no right, a lock, a policy, no time.
    """
    until = time.monotonic() + budget
    # A policy would hide rows; so PostgreSQL refuses the question instead.
    _set(conn, row_security="off", jit="off", lock_timeout="1s")
    rows, estimated = {}, []
    for schema, table, estimate in _tables(conn):
        name = f"{schema}.{table}"
        counted = _counted(conn, schema, table, until - time.monotonic())
        if counted is None:
            estimated.append(name)
        rows[name] = estimate if counted is None else counted
    return Counts(rows=dict(sorted(rows.items())), estimated=tuple(sorted(estimated)))


def unlogged(conn: Connection) -> list[str]:
    """Return the application's unlogged tables, sorted."""
    return [f"{schema}.{name}" for schema, name, _ in _tables(conn, "u")]


def written(conn: Connection) -> dict[str, tuple[int, int]]:
    """Return how many rows were ever inserted and deleted, by table, as the statistics have it."""
    rows = conn.execute(
        """SELECT schemaname, relname, n_tup_ins, n_tup_del
           FROM pg_catalog.pg_stat_user_tables"""
    )
    return {f"{schema}.{name}": (int(ins), int(gone)) for schema, name, ins, gone in rows}


def between(
    before: Mapping[str, int],
    after: Mapping[str, int],
    written: Mapping[str, tuple[int, int]],
    later: Mapping[str, tuple[int, int]],
) -> dict[str, tuple[int, int]]:
    """Return the least and the most rows that a table may have held between two counts.

    `written` and `later` are what was inserted and deleted until then. Of a table whose statistics
    were reset meanwhile, only the counts are known.
    """
    found = {}
    for table, rows in before.items():
        ends = (rows, after.get(table, rows))
        then, now = written.get(table, (0, 0)), later.get(table, (0, 0))
        came, went = (max(0, new - old) for old, new in zip(then, now, strict=True))
        if came or went:
            found[table] = (max(0, min(*ends, rows - went)), max(*ends, rows + came))
    return found


def _tables(conn: Connection, persistence: str = "p") -> list[tuple[str, str, int]]:
    """Return schema, name and estimate of tables that hold rows themselves, the smallest first."""
    rows = conn.execute(
        f"""SELECT n.nspname, c.relname, c.reltuples::bigint
            FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE c.relkind = 'r' AND c.relpersistence = %s AND {catalog.OWN}
              AND NOT {catalog.IN_EXTENSION}
            ORDER BY c.relpages, 1, 2""",  # noqa: S608  # constants
        [persistence],
    )
    return [(str(schema), str(name), int(estimate)) for schema, name, estimate in rows]


def _counted(conn: Connection, schema: str, table: str, seconds: float) -> int | None:
    if seconds <= 0:
        return None
    query = sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier(schema, table))
    try:
        with conn.transaction():  # a savepoint: one refusal leaves the snapshot to the others
            _set(conn, statement_timeout=str(max(1, int(seconds * 1000))))
            return int(catalog.one(conn, query)[0])
    except psycopg.Error:
        if conn.closed:
            raise
        return None


def _set(conn: Connection, **settings: str) -> None:
    for name, value in settings.items():
        conn.execute("SELECT pg_catalog.set_config(%s, %s, true)", [name, value])
