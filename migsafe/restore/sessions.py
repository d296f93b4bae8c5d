"""Close the databases of a server to everybody, and open them again.

``CONNECTION LIMIT 0`` is what an owner may set who is no superuser, as on RDS; REVOKE CONNECT does
not keep out the owner, who often is the application. Superusers, such as the one of RDS itself,
still come in.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from msgspec import Struct
from psycopg import sql

from migsafe import ledger
from migsafe.errors import BusyError, UnreachableError
from migsafe.target import Connection, Target

#: Seconds that sessions get to end once they are told to. Arbitrary: a rollback takes no longer.
_PATIENCE = 60.0


class Database(Struct, frozen=True, kw_only=True):
    """One database; `limit` is its connection limit, -1 for none; `ours` where we may set it."""

    name: str
    limit: int
    ours: bool


def moved(where: Target, **params: str) -> Target:
    """Return a target elsewhere, by the same login; an address that was fixed goes with its name.

    A fixed one would lead to the database itself, which then would be taken for its copy.
    """
    kept = {k: v for k, v in where.params.items() if k != "hostaddr" or "host" not in params}
    return replace(where, params={**kept, **params})


def beside(where: Target) -> Target:
    """Return the database of the same server from which `where` can be closed and opened."""
    other = "template1" if where.params.get("dbname") == "postgres" else "postgres"
    return moved(where, dbname=other)


def databases(conn: Connection) -> list[Database]:
    """Read the databases that anybody may use, but the one of this session."""
    rows = conn.execute(
        """SELECT datname, datconnlimit, pg_catalog.pg_has_role(datdba, 'USAGE')
           FROM pg_catalog.pg_database
           WHERE datallowconn AND NOT datistemplate AND datname <> current_database()
             AND datname <> 'rdsadmin'
           ORDER BY datname"""
    )
    return [Database(name=str(n), limit=int(limit), ours=bool(ours)) for n, limit, ours in rows]


def refuse_deployer(conn: Connection, name: str, place: str) -> None:
    """Raise BusyError where somebody deploys in a database, by the locks that are held for it."""
    row = conn.execute(
        """SELECT l.pid FROM pg_catalog.pg_locks AS l
           JOIN pg_catalog.pg_database AS d ON d.oid = l.database
           WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND d.datname = %s
             AND (l.classid::bigint << 32 | l.objid::bigint) = ANY(%s)""",
        [name, [ledger.LOCK, ledger.RUNNING]],
    ).fetchone()
    if row:
        problem = f"a deployment is running (server process {row[0]})"
        raise BusyError(place, problem, "wait for its end")


def close(conn: Connection, names: Sequence[str], place: str) -> None:
    """Let nobody in, and end who is in; raise UnreachableError where somebody stays."""
    for name in names:
        _limit(conn, name, 0)
    until = time.monotonic() + _PATIENCE
    while left := _ended(conn, names):
        if time.monotonic() > until:
            problem = f"{left} sessions do not end"
            raise UnreachableError(place, problem, "end them, then go on")
        time.sleep(0.1)


def reopen(conn: Connection, limits: Mapping[str, int]) -> None:
    """Give databases that are closed the limits that they had."""
    closed = {database.name for database in databases(conn) if database.limit == 0}
    for name, limit in limits.items():
        if name in closed:
            _limit(conn, name, limit)


def _limit(conn: Connection, name: str, limit: int) -> None:
    statement = sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}")
    conn.execute(statement.format(sql.Identifier(name), sql.Literal(limit)))


def _ended(conn: Connection, names: Sequence[str]) -> int:
    """Tell every session to end, and return how many there were; a superuser's is none of ours.

    What kind of backend one is, is hidden from who may not read statistics; what has no user, such
    as autovacuum, ends by itself.
    """
    row = conn.execute(
        """SELECT count(pg_catalog.pg_terminate_backend(a.pid))
           FROM pg_catalog.pg_stat_activity AS a
           JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid
           WHERE a.datname = ANY(%s) AND a.pid <> pg_catalog.pg_backend_pid()
             AND (NOT r.rolsuper
                  OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user))""",
        [list(names)],
    ).fetchone()
    return int(row[0]) if row else 0
