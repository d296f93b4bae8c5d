"""What a database holds, in a few numbers: to be read before, and again of what was restored."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from psycopg.pq import TransactionStatus

from migsafe import catalog
from migsafe.catalog import counts, schema
from migsafe.facts import Key
from migsafe.snapshots.manifest import Fingerprint
from migsafe.target import Connection, template

#: Seconds that rows are counted for. Arbitrary: a deployment can wait for it.
BUDGET = 60.0

#: Facts that a restore may change: CREATE EXTENSION takes the version that the server has.
_LOOSE = {("extension", "version"), ("extension", "comment")}


def read(conn: Connection, *, history: str | None, budget: float = BUDGET) -> Fingerprint:
    """Read the fingerprint: in the caller's transaction, where there is one, or of one moment.

    `history` is the table, as ``schema.name``, in which a tool records its migrations.
    """
    with _one_moment(conn):
        found = schema.facts(schema.read(conn))
        conn.execute("SELECT pg_catalog.set_config('search_path', '', true)")
        migrations = _rows(conn, history) if history else None
        extensions, roles = _extensions(conn), _roles(conn)
        counted = counts.read(conn, budget)  # last: it leaves no time to other questions
        return Fingerprint(
            facts=of(found),
            fact_count=len(found),
            counts=counted.rows,
            exact=not counted.estimated,
            estimated=counted.estimated,
            migrations=migrations,
            extensions=extensions,
            roles=roles,
        )


def of(found: Mapping[Key, str]) -> str:
    """Return the SHA-256 of facts, owners and grants among them."""
    lines = sorted(f"{key!r} {value!r}\n" for key, value in firm(found).items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def firm(found: Mapping[Key, str]) -> dict[Key, str]:
    """Return the facts that a restore may not change."""
    return {key: value for key, value in found.items() if (key.kind, key.aspect) not in _LOOSE}


@contextmanager
def _one_moment(conn: Connection) -> Iterator[None]:
    """Have every question in the block see the same rows; settings of the block end with it."""
    if conn.info.transaction_status != TransactionStatus.IDLE:
        with conn.transaction(force_rollback=True):
            yield
        return
    conn.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("ROLLBACK")


def _rows(conn: Connection, table: str) -> str | None:
    """Return the SHA-256 of a table's rows in any order; None where there is no such table."""
    owner, _, name = table.rpartition(".")
    there = "SELECT to_regclass(format('%%I.%%I', %s::text, %s::text)) IS NOT NULL"
    if not catalog.one(conn, there, [owner, name])[0]:
        return None
    conn.execute(
        """SELECT pg_catalog.set_config('TimeZone', 'UTC', true),
                  pg_catalog.set_config('DateStyle', 'ISO, MDY', true)"""
    )
    query = template(
        """SELECT encode(sha256(convert_to(coalesce(string_agg(line, chr(10) ORDER BY line
                         COLLATE "C"), ''), 'UTF8')), 'hex')
           FROM (SELECT (one.*)::text AS line FROM {} AS one) AS lines""",
        owner,
        name,
    )
    return str(catalog.one(conn, query, [])[0])


def _extensions(conn: Connection) -> dict[str, str]:
    rows = conn.execute("SELECT extname, extversion FROM pg_catalog.pg_extension ORDER BY 1")
    return {str(name): str(version) for name, version in rows}


def _roles(conn: Connection) -> tuple[str, ...]:
    rows = conn.execute(
        "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_' ORDER BY 1"
    )
    return tuple(str(name) for (name,) in rows)
