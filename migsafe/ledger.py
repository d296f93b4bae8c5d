"""migsafe's own ledger in the target: receipts of what was done, and the report of every run.

Append-only. It is made inside the first transaction that needs it, so a run that changed nothing
leaves nothing (docs/decisions/0002). Never read or written by unqualified names.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from migsafe import chain
from migsafe.chain import Link

if TYPE_CHECKING:  # the driver is heavy, and a report that holds no run does without it
    from migsafe.target import Connection, Write

#: Our advisory key: the first 8 bytes of sha256("migsafe"), as a signed bigint.
LOCK = int.from_bytes(hashlib.sha256(b"migsafe").digest()[:8], "big", signed=True)

#: Held by the session that executes, which may outlive the deployer that began it.
RUNNING = LOCK ^ 1

#: Held by a transaction while it appends a run, so that no two follow the same one.
_APPENDING = LOCK ^ 2

DDL = """
CREATE SCHEMA IF NOT EXISTS migsafe;
CREATE TABLE IF NOT EXISTS migsafe.receipts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run text NOT NULL,
    history text NOT NULL,
    migration text NOT NULL,
    checksum text NOT NULL,
    event text NOT NULL
        CHECK (event IN ('began', 'statement', 'done', 'failed', 'applied', 'rolled_back')),
    statement integer,
    recorded timestamptz NOT NULL DEFAULT clock_timestamp(),
    role text NOT NULL DEFAULT session_user
);
CREATE TABLE IF NOT EXISTS migsafe.runs (
    id text PRIMARY KEY,
    command text NOT NULL,
    started timestamptz NOT NULL,
    exit_code integer NOT NULL,
    role text NOT NULL DEFAULT session_user,
    host text NOT NULL,
    git_commit text,
    report text NOT NULL,
    previous text,
    sha256 text NOT NULL
);
CREATE OR REPLACE FUNCTION migsafe.refuse_change() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS
    $$BEGIN RAISE EXCEPTION 'the ledger of migsafe is append-only'; END$$;
DROP TRIGGER IF EXISTS append_only ON migsafe.receipts;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON migsafe.receipts
    FOR EACH STATEMENT EXECUTE FUNCTION migsafe.refuse_change();
DROP TRIGGER IF EXISTS append_only ON migsafe.runs;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON migsafe.runs
    FOR EACH STATEMENT EXECUTE FUNCTION migsafe.refuse_change();
"""


#: Made on demand: the ledgers of before have none.
SNAPSHOTS = """
CREATE TABLE IF NOT EXISTS migsafe.snapshots (
    run text PRIMARY KEY,
    provider text NOT NULL,
    id text NOT NULL,
    taken timestamptz NOT NULL,
    manifest text NOT NULL,
    recorded timestamptz NOT NULL DEFAULT clock_timestamp(),
    role text NOT NULL DEFAULT session_user
);
DROP TRIGGER IF EXISTS append_only ON migsafe.snapshots;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON migsafe.snapshots
    FOR EACH STATEMENT EXECUTE FUNCTION migsafe.refuse_change();
"""


class Receipt(Struct, frozen=True, kw_only=True):
    """One thing that happened to one migration; `statement` is 1-based, None for all of it."""

    run: str
    history: str
    migration: str
    checksum: str
    event: str
    statement: int | None = None


class Run(Struct, frozen=True, kw_only=True):
    """One past run as the ledger keeps it; `report` is its JSON text."""

    id: str
    command: str
    started: datetime
    exit_code: int
    role: str
    host: str
    git_commit: str | None
    report: str


class Kept(Struct, frozen=True, kw_only=True):
    """One snapshot as the ledger keeps it; `manifest` is its JSON text."""

    run: str
    provider: str
    id: str
    taken: datetime
    manifest: str


class Unfinished(Struct, frozen=True):
    """A migration that began outside a transaction and never ended; `statements` are in effect."""

    migration: str
    statements: int


def exists(conn: Connection) -> bool:
    """Tell whether the target has a ledger."""
    row = conn.execute("SELECT to_regclass('migsafe.receipts') IS NOT NULL").fetchone()
    return bool(row and row[0])


def prepare(conn: Connection) -> None:
    """Create the ledger where it is missing, in the caller's transaction if there is one."""
    if not exists(conn):
        conn.execute(DDL)


_INSERT = """INSERT INTO migsafe.receipts (run, history, migration, checksum, event, statement)
             VALUES (%s, %s, %s, %s, %s, %s)"""


def write(receipt: Receipt) -> Write:
    """Build the statement that appends one receipt."""
    return _INSERT, [
        receipt.run,
        receipt.history,
        receipt.migration,
        receipt.checksum,
        receipt.event,
        receipt.statement,
    ]


def is_done(conn: Connection, run: str, migration: str) -> bool:
    """Tell whether a run's receipt says that a migration is done."""
    row = conn.execute(
        """SELECT EXISTS (SELECT FROM migsafe.receipts
                          WHERE run = %s AND migration = %s AND event = 'done')""",
        [run, migration],
    ).fetchone()
    return bool(row and row[0])


def unfinished(conn: Connection, history: str) -> list[Unfinished]:
    """Read the migrations whose last receipt is no end, in the order in which they began."""
    if not exists(conn):
        return []
    rows = conn.execute(
        """WITH ours AS (SELECT * FROM migsafe.receipts WHERE history = %(history)s),
                last AS (SELECT DISTINCT ON (migration) migration, event, id FROM ours
                         ORDER BY migration, id DESC),
                began AS (SELECT migration, max(id) AS id FROM ours WHERE event = 'began'
                          GROUP BY migration)
           SELECT l.migration, coalesce(max(o.statement), 0) FROM last AS l
           LEFT JOIN began AS b USING (migration)
           LEFT JOIN ours AS o ON o.migration = l.migration AND o.id >= b.id
           WHERE l.event IN ('began', 'statement') GROUP BY l.migration, l.id ORDER BY l.id""",
        {"history": history},
    )
    return [Unfinished(str(name), int(str(done))) for name, done in rows]


def newest(conn: Connection) -> str | None:
    """Return the sum that the next run has to follow; None in an empty ledger.

    To be called first in a transaction, which then is the only one that may append: the clocks of
    two machines do not say who came last.
    """
    # A snapshot from before the lock was free would not show the run that was appended meanwhile.
    conn.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
    conn.execute("SELECT pg_advisory_xact_lock(%s)", [_APPENDING])
    prepare(conn)
    row = conn.execute(
        """SELECT sha256 FROM migsafe.runs AS r
           WHERE NOT EXISTS (SELECT FROM migsafe.runs AS n WHERE n.previous = r.sha256)
           ORDER BY started DESC, id DESC LIMIT 1"""
    ).fetchone()
    return str(row[0]) if row else None


def store(conn: Connection, run: Run, previous: str | None) -> None:
    """Append the report of a run, chained to the sum of the `newest` one by SHA-256."""
    conn.execute(
        """INSERT INTO migsafe.runs
               (id, command, started, exit_code, host, git_commit, report, previous, sha256)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            run.id,
            run.command,
            run.started,
            run.exit_code,
            run.host,
            run.git_commit,
            run.report,
            previous,
            chain.digest(previous or "", run.report),
        ],
    )


_FIELDS = ("id", "command", "started", "exit_code", "role", "host", "git_commit", "report")


def runs(conn: Connection, *, limit: int | None = None) -> list[Run]:
    """Read past runs, newest first; an empty list where the target has no ledger."""
    if not exists(conn):
        return []
    rows = conn.execute(
        """SELECT id, command, started, exit_code, role, host, git_commit, report
           FROM migsafe.runs ORDER BY started DESC, id DESC LIMIT %s""",
        [limit],
    ).fetchall()
    return [Run(**dict(zip(_FIELDS, row, strict=True))) for row in rows]


def report(conn: Connection, run: str) -> str | None:
    """Read the JSON text of one run's report; None where the ledger has none of it."""
    if not exists(conn):
        return None
    row = conn.execute("SELECT report FROM migsafe.runs WHERE id = %s", [run]).fetchone()
    return str(row[0]) if row else None


def names(conn: Connection) -> list[str]:
    """Read the ids of all past runs."""
    if not exists(conn):
        return []
    return [str(row[0]) for row in conn.execute("SELECT id FROM migsafe.runs")]


def links(conn: Connection) -> list[Link]:
    """Read the chain of the runs, oldest first, holding one report at a time."""
    if not exists(conn):
        return []
    rows = conn.cursor().stream(
        """SELECT id, command, started, exit_code, role, host, git_commit, report, previous, sha256
           FROM migsafe.runs ORDER BY started, id"""
    )
    return [chain.link(row) for row in rows]


def unreported(conn: Connection) -> list[tuple[str, datetime]]:
    """Read the runs that have receipts and no report, with the time of the last receipt."""
    if not exists(conn):
        return []
    rows = conn.execute(
        """SELECT run, max(recorded) FROM migsafe.receipts
           WHERE run NOT IN (SELECT id FROM migsafe.runs) GROUP BY run ORDER BY 2, 1"""
    )
    return [(str(run), recorded) for run, recorded in rows]


def keep(conn: Connection, kept: Kept) -> None:
    """Append the manifest of a snapshot, in the caller's transaction if there is one."""
    prepare(conn)
    if not _has_snapshots(conn):
        conn.execute(SNAPSHOTS)
    conn.execute(
        """INSERT INTO migsafe.snapshots (run, provider, id, taken, manifest)
           VALUES (%s, %s, %s, %s, %s)""",
        [kept.run, kept.provider, kept.id, kept.taken, kept.manifest],
    )


def may_keep(conn: Connection) -> bool:
    """Tell whether this role may append the manifest of a snapshot."""
    row = conn.execute(
        """SELECT CASE
               WHEN to_regclass('migsafe.snapshots') IS NOT NULL
                   THEN has_table_privilege('migsafe.snapshots', 'INSERT')
               WHEN to_regnamespace('migsafe') IS NOT NULL
                   THEN has_schema_privilege('migsafe', 'CREATE')
               ELSE has_database_privilege(current_database(), 'CREATE') END"""
    ).fetchone()
    return bool(row and row[0])


def snapshots(conn: Connection, run: str | None = None) -> list[Kept]:
    """Read the snapshots of a run, or all, newest first; an empty list where there is no table."""
    if not _has_snapshots(conn):
        return []
    rows = conn.execute(
        """SELECT run, provider, id, taken, manifest FROM migsafe.snapshots
           WHERE run = coalesce(%s, run) ORDER BY taken DESC, run DESC""",
        [run],
    ).fetchall()
    names = ("run", "provider", "id", "taken", "manifest")
    return [Kept(**dict(zip(names, row, strict=True))) for row in rows]


def needed(conn: Connection) -> set[str]:
    """Return the runs whose snapshots are a way back that is still called for.

    That is the last one of all, and that of a run which left a migration unfinished or failed.
    """
    if not _has_snapshots(conn):
        return set()
    rows = conn.execute(
        """WITH last AS (SELECT DISTINCT ON (history, migration) run, event FROM migsafe.receipts
                         ORDER BY history, migration, id DESC)
           SELECT run FROM last WHERE event IN ('began', 'statement', 'failed')
           UNION (SELECT run FROM migsafe.snapshots ORDER BY taken DESC, run DESC LIMIT 1)"""
    )
    return {str(run) for (run,) in rows}


def _has_snapshots(conn: Connection) -> bool:
    row = conn.execute("SELECT to_regclass('migsafe.snapshots') IS NOT NULL").fetchone()
    return bool(row and row[0])


def holder(conn: Connection, key: int) -> int | None:
    """Return the server pid of the session that holds an advisory lock in this database."""
    row = conn.execute(
        """SELECT pid FROM pg_catalog.pg_locks
           WHERE locktype = 'advisory' AND granted AND objsubid = 1
             AND database = (SELECT oid FROM pg_catalog.pg_database
                             WHERE datname = current_database())
             AND (classid::bigint << 32 | objid::bigint) = %s AND pid <> pg_backend_pid()""",
        [key],
    ).fetchone()
    return int(str(row[0])) if row else None
