"""What sessions hold or ask for, one row a lock or snapshot, and what that makes of a session.

The text of a query stays in the server: only its shape is asked for.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct

from migsafe.blockers import Kind

if TYPE_CHECKING:  # driver and parser are heavy, and a report needs neither
    from migsafe.hazards.locks import Mode
    from migsafe.target import Connection


class Seen(Struct, frozen=True, kw_only=True):
    """One lock or snapshot of one session; times are seconds, and None is unknown.

    `pid` is None for a prepared transaction, and `prepared` its identifier. `hidden` says that the
    role may see no more of it than its locks, `due` that the relation needs a vacuum against
    wraparound, so that a hidden one may be that.
    """

    pid: int | None
    user: str | None
    application: str | None
    type: str | None
    state: str | None
    age: float | None
    statement: float | None
    hidden: bool
    wraparound: bool
    dump: bool
    prepared: str | None
    transaction: str | None
    locktype: str
    schema: str | None = None
    relation: str | None = None
    lock: str | None = None
    granted: bool = True
    due: bool = False

    @property
    def identity(self) -> tuple[int | None, str | None]:
        """Its session and transaction."""
        return self.pid, self.transaction

    @property
    def kind(self) -> Kind:
        """What it is."""
        if self.pid is None:
            return Kind.PREPARED
        if self.type == "autovacuum worker" or (self.hidden and self.user is None):
            against = self.wraparound or (self.hidden and self.due)
            return Kind.WRAPAROUND if against else Kind.AUTOVACUUM
        if self.dump:
            return Kind.DUMP
        return Kind.SESSION if self.type in ("client backend", None) else Kind.SERVER

    @property
    def mode(self) -> Mode | None:
        """The mode of its lock on a relation; None for what keeps nobody out, as SIReadLock."""
        return _modes().get(self.lock or "") if self.locktype == "relation" else None

    @property
    def name(self) -> str | None:
        """The relation as a reader writes it: ``public`` goes without saying."""
        return (
            self.relation if self.schema in (None, "public") else f"{self.schema}.{self.relation}"
        )

    @property
    def why(self) -> str:
        """What it has that others wait for, as the rest of a sentence."""
        if self.locktype == "relation":
            return f"{'holds' if self.granted else 'waits for'} {self.mode}"
        if self.locktype == "snapshot" and self.hidden:
            return "may have an old snapshot"
        return _WHY.get(self.locktype, f"holds a lock of type {self.locktype}")


@cache
def _modes() -> dict[str, Mode]:
    from migsafe.hazards.locks import Mode

    return {f"{mode.name.title().replace('_', '')}Lock": mode for mode in Mode}


#: CREATE INDEX CONCURRENTLY and its like wait for the virtual id of a whole transaction.
_WHY = {
    "snapshot": "has an old snapshot",
    "virtualxid": "has a transaction that has to end",
    "transactionid": "has changed the same rows",
    "tuple": "wants the same row",
}


def read(conn: Connection, query: str, *values: object) -> list[Seen]:
    """Ask one of the queries of this module."""
    from psycopg.rows import class_row

    with conn.cursor(row_factory=class_row(Seen)) as cursor:
        return cursor.execute(query, values).fetchall()


#: Every lock, read once: each reading of pg_locks holds up all who lock anything.
_LOCKS = "locks AS MATERIALIZED (SELECT * FROM pg_catalog.pg_locks)"

_HERE = "(SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())"

#: A session of a role that this one may not look into has this text for its query.
_HIDDEN = "coalesce(a.query = '<insufficient privilege>', false)"

#: The shapes are those of autovacuum.c and of pg_dump.c.
_SESSION = f"""
    a.pid, coalesce(a.usename, p.owner)::text AS user, a.application_name AS application,
    a.backend_type AS type, CASE WHEN p.gid IS NULL THEN a.state ELSE 'prepared' END AS state,
    extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8
        AS age,
    CASE WHEN a.state = 'active'
        THEN extract(epoch FROM pg_catalog.clock_timestamp() - a.query_start)::float8
    END AS statement,
    {_HIDDEN} AS hidden,
    coalesce(a.query ~ '^autovacuum: .*to prevent wraparound', false) AS wraparound,
    coalesce(a.application_name = 'pg_dump' OR a.query ~
        '^(COPY .* TO stdout;|LOCK TABLE .* IN ACCESS SHARE MODE)$', false) AS dump,
    p.gid AS prepared"""

#: Which transaction a lock without a process belongs to. Its virtual id is still that of the
#: session that has prepared it, so the lock on its own id has to tell.
_OF_NOBODY = """
    LEFT JOIN LATERAL (
        SELECT x.owner, x.gid, x.prepared FROM locks AS t
        JOIN pg_catalog.pg_prepared_xacts AS x ON x.transaction = t.transactionid
        WHERE l.pid IS NULL AND t.pid IS NULL AND t.locktype = 'transactionid'
          AND t.virtualtransaction = l.virtualtransaction) AS p ON true"""

#: Who holds or asks for locks on relations: their schemas and names, and processes to leave out.
#: The planner guesses that the parts are small. With 10,000 locks it takes the two precautions, to
#: materialize them and to let a hash (IN … IS TRUE) pass the locks of wanted relations only.
HOLDERS = f"""
    WITH {_LOCKS},
    wanted AS MATERIALIZED (
        SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name,
            c.relkind IN ('r', 'm') AND (
                pg_catalog.age(c.relfrozenxid)
                    > pg_catalog.current_setting('autovacuum_freeze_max_age')::int
                OR pg_catalog.mxid_age(c.relminmxid)
                    > pg_catalog.current_setting('autovacuum_multixact_freeze_max_age')::int
                OR coalesce(c.reloptions::text ~ 'freeze_max_age', false)) AS due
        FROM ROWS FROM (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) AS w (s, r)
        JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.s
        JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.r),
    held AS MATERIALIZED (
        SELECT * FROM wanted
        JOIN locks ON locks.relation = wanted.oid
        WHERE locks.locktype = 'relation' AND locks.database = {_HERE}
          AND (locks.relation IN (SELECT oid FROM wanted)) IS TRUE)
    SELECT {_SESSION}, l.virtualtransaction AS transaction, l.locktype, l.schema,
        l.name AS relation, l.mode AS lock, l.granted, l.due
    FROM held AS l
    LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
    {_OF_NOBODY}
    WHERE a.leader_pid IS NULL
      AND (l.pid IS NULL OR l.pid <> pg_catalog.pg_backend_pid() AND l.pid <> ALL (%s::int[]))
"""  # noqa: S608  # constants of this module

#: Who has a snapshot, but for processes to leave out. CONCURRENTLY waits for those of its own
#: database (`WaitForOlderSnapshots`), not for who vacuums, and a prepared transaction has none. Of
#: a hidden session, the lock on its virtual id says whether it is in a transaction at all; where
#: nothing is hidden, no lock is read.
SNAPSHOTS = f"""
    WITH ids AS MATERIALIZED (
        SELECT pid, virtualtransaction FROM pg_catalog.pg_locks
        WHERE locktype = 'virtualxid' AND mode = 'ExclusiveLock' AND granted)
    SELECT {_SESSION}, l.virtualtransaction AS transaction, 'snapshot' AS locktype
    FROM pg_catalog.pg_stat_activity AS a
    CROSS JOIN LATERAL (
        SELECT CASE WHEN {_HIDDEN} THEN (
            SELECT ids.virtualtransaction FROM ids WHERE ids.pid = a.pid) END
    ) AS l (virtualtransaction)
    LEFT JOIN pg_catalog.pg_prepared_xacts AS p ON false
    WHERE a.datid = {_HERE} AND a.usesysid IS NOT NULL AND a.leader_pid IS NULL
      AND a.pid <> pg_catalog.pg_backend_pid() AND a.pid <> ALL (%s::int[])
      AND (a.backend_xmin IS NOT NULL OR l.virtualtransaction IS NOT NULL)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum AS v WHERE v.pid = a.pid)
"""  # noqa: S608  # constants of this module

#: The relations that somebody keeps everybody out of.
SHUT = f"""
    SELECT n.nspname::text, c.relname::text
    FROM pg_catalog.pg_locks AS l
    JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE l.locktype = 'relation' AND l.database = {_HERE} AND l.mode = 'AccessExclusiveLock'
"""  # noqa: S608  # constants of this module

#: Who keeps a process waiting now; the process is given twice.
WAITED_FOR = f"""
    WITH {_LOCKS},
    blocking AS MATERIALIZED (
        SELECT DISTINCT b.pid
        FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(%s)) AS b (pid))
    SELECT {_SESSION}, l.virtualtransaction AS transaction, l.locktype,
        n.nspname::text AS schema, c.relname::text AS relation, l.mode AS lock, l.granted
    FROM locks AS w
    JOIN locks AS l ON (l.locktype, l.database, l.relation, l.page, l.tuple, l.virtualxid,
                        l.transactionid, l.classid, l.objid, l.objsubid)
        IS NOT DISTINCT FROM (w.locktype, w.database, w.relation, w.page, w.tuple, w.virtualxid,
                              w.transactionid, w.classid, w.objid, w.objsubid)
    JOIN blocking AS b ON b.pid = coalesce(l.pid, 0)
    LEFT JOIN pg_catalog.pg_class AS c ON c.oid = l.relation AND l.locktype = 'relation'
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
    {_OF_NOBODY}
    WHERE w.pid = %s AND NOT w.granted
"""  # noqa: S608  # constants of this module
