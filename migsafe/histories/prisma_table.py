"""Prisma's table in a target, to the letter of Prisma Migrate 5 to 7.

Sources: docs/how-it-works.md, "Prisma", and the CLI itself, which the tests run.
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct
from psycopg import sql

from migsafe import catalog
from migsafe.errors import UsageError
from migsafe.histories.entries import Entry, Recorded
from migsafe.histories.forged import Oddity, is_sha256, is_uuid
from migsafe.histories.migration import Directory, Migration, sha256
from migsafe.target import Connection, Target, Write, named, template

TABLE = "_prisma_migrations"
#: `SELECT pg_advisory_lock(72707369)`, taken by every Prisma CLI before it writes.
LOCK = 72707369

#: Tables that Prisma leaves out when it asks whether a database is empty (P3005).
_IGNORED = (
    "spatial_ref_sys",
    "geometry_columns",
    "geography_columns",
    "raster_columns",
    "raster_overviews",
)

_DDL = """CREATE TABLE {} (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
)"""


class PrismaHistory(Struct, frozen=True, kw_only=True):
    """A Prisma directory and ``_prisma_migrations`` in one target."""

    directory: Directory
    schema: str
    tool: str = "Prisma"
    locks: Sequence[int] = (LOCK,)
    strict: bool = False

    @property
    def table(self) -> str:
        """The table, as ``schema.name``."""
        return f"{self.schema}.{TABLE}"

    @property
    def _named(self) -> sql.Composable:
        return named(self.schema, TABLE)

    def present(self, conn: Connection) -> bool:
        """Tell whether the table is there, and is a table of Prisma's shape."""
        row = conn.execute(
            """SELECT c.relkind = 'r' AND array(
                   SELECT a.attname::text FROM pg_catalog.pg_attribute AS a
                   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) @> %s
               FROM pg_catalog.pg_class AS c
               JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
               WHERE n.nspname = %s AND c.relname = %s""",
            [_COLUMNS, self.schema, TABLE],
        ).fetchone()
        if row and not row[0]:
            raise UsageError(self.table, "is not a table that Prisma made", "rename it")
        return row is not None

    def occupied(self, conn: Connection) -> Sequence[str]:
        """Return the tables that give P3005: relkind r in the schemas Prisma looks at."""
        rows = conn.execute(
            """SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class AS c
               JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
               WHERE c.relkind = 'r' AND n.nspname = ANY(%s) AND lower(c.relname) <> ALL(%s)
                 AND c.relname <> %s ORDER BY 1""",
            [[self.schema, *self.directory.schemas], list(_IGNORED), TABLE],
        )
        return [str(name) for (name,) in rows]

    def entries(self, conn: Connection) -> Sequence[Entry]:
        """Read the rows, oldest first; a failed one is neither finished nor rolled back."""
        if not self.present(conn):
            return []
        rows = conn.execute(
            sql.SQL(
                """SELECT migration_name, checksum, finished_at, rolled_back_at IS NOT NULL,
                          id::text, finished_at < started_at,
                          finished_at IS NOT NULL AND applied_steps_count = 0 AND logs IS NULL
                   FROM {} ORDER BY started_at"""
            ).format(self._named),
            [],
        ).fetchall()
        return [_entry(*row) for row in rows]

    def matches(self, migration: Migration, checksum: str) -> bool:
        """Compare as Prisma does: the text as it is, with LF, or with CRLF line ends."""
        if checksum == migration.checksum:
            return True
        lf = migration.text.replace("\r\n", "\n")
        forms = (migration.text, lf, migration.text.replace("\n", "\r\n"))
        sums = [sha256(form) for form in forms]
        unpadded = ["".join(f"{byte:x}" for byte in bytes.fromhex(s)) for s in sums]
        return checksum in (sums if len(checksum) == 64 else unpadded)

    def prepare(self, conn: Connection) -> None:
        """Create the schema and the table where they are missing."""
        if not self.present(conn):
            schema = named(self.schema)
            conn.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema), [])
            conn.execute(sql.SQL(_DDL).format(self._named), [])

    def began(self, conn: Connection, migration: Migration) -> None:
        """Insert the row that Prisma inserts before it runs a script."""
        conn.execute(
            sql.SQL(
                "INSERT INTO {} (id, checksum, started_at, migration_name) VALUES (%s, %s, %s, %s)"
            ).format(self._named),
            [str(uuid.uuid4()), migration.checksum, datetime.now(UTC), migration.name],
        )

    def record(self, migration: Migration, started: datetime) -> Write:
        """Build the insert of a finished row, with one step."""
        query = """INSERT INTO {} (id, checksum, started_at, finished_at, migration_name,
                                   applied_steps_count) VALUES (%s, %s, %s, %s, %s, 1)"""
        now = datetime.now(UTC)
        values = [str(uuid.uuid4()), migration.checksum, started, now, migration.name]
        return template(query, self.schema, TABLE), values

    def finish(self, migration: Migration, started: datetime) -> Write:
        """Build the update of the open row, or the insert where somebody removed that row."""
        query = """WITH finished AS (
                       UPDATE {0} SET finished_at = %s,
                                      applied_steps_count = applied_steps_count + 1
                       WHERE migration_name = %s AND finished_at IS NULL
                         AND rolled_back_at IS NULL RETURNING 1)
                   INSERT INTO {0} (id, checksum, started_at, finished_at, migration_name,
                                    applied_steps_count)
                   SELECT %s, %s, %s, %s, %s, 1 WHERE NOT EXISTS (SELECT FROM finished)"""
        now = datetime.now(UTC)
        row = [str(uuid.uuid4()), migration.checksum, started, now, migration.name]
        return template(query, self.schema, TABLE), [now, migration.name, *row]

    def withdraw(self, conn: Connection, migration: Migration) -> None:
        """Delete the open row of the migration."""
        conn.execute(
            sql.SQL(
                """DELETE FROM {} WHERE migration_name = %s AND finished_at IS NULL
                   AND rolled_back_at IS NULL"""
            ).format(self._named),
            [migration.name],
        )

    def mark_applied(self, conn: Connection, migration: Migration) -> None:
        """Do what `prisma migrate resolve --applied` does."""
        self.mark_rolled_back(conn, migration.name)
        now = datetime.now(UTC)
        conn.execute(
            sql.SQL(
                """INSERT INTO {} (id, checksum, logs, started_at, finished_at, migration_name)
                   VALUES (%s, %s, '', %s, %s, %s)"""
            ).format(self._named),
            [str(uuid.uuid4()), migration.checksum, now, now, migration.name],
        )

    def mark_rolled_back(self, conn: Connection, name: str) -> None:
        """Do what `prisma migrate resolve --rolled-back` does."""
        conn.execute(
            sql.SQL(
                """UPDATE {} SET rolled_back_at = %s WHERE migration_name = %s
                   AND finished_at IS NULL AND rolled_back_at IS NULL"""
            ).format(self._named),
            [datetime.now(UTC), name],
        )


_COLUMNS = [
    "id",
    "checksum",
    "finished_at",
    "migration_name",
    "logs",
    "rolled_back_at",
    "started_at",
    "applied_steps_count",
]


def _entry(
    name: str,
    checksum: str,
    finished: datetime | None,
    rolled_back: bool,
    identity: str,
    backwards: bool | None,
    uncounted: bool,
) -> Entry:
    recorded = _recorded(finished, rolled_back)
    odd = {
        Oddity.ID: not is_uuid(identity),
        Oddity.CHECKSUM: not is_sha256(checksum, unpadded=True),
        Oddity.TIMES: backwards,
        Oddity.CLOSED: finished and rolled_back,
        Oddity.STEPS: uncounted,
    }
    oddities = [oddity for oddity, there in odd.items() if there]
    return Entry(
        name=name, checksum=checksum, finished=finished, recorded=recorded, oddities=oddities
    )


def _recorded(finished: datetime | None, rolled_back: bool) -> Recorded:
    if rolled_back:
        return Recorded.ROLLED_BACK
    return Recorded.APPLIED if finished else Recorded.FAILED


def attach(directory: Directory, conn: Connection, target: Target) -> PrismaHistory:
    """Find Prisma's table by Prisma's own rule; refuse where that rule has two answers.

    Prisma looks in ``?schema=`` or ``public``, but creates and reads by the bare name.
    """
    for found in catalog.ledgers(conn):
        if found.tool == "Prisma 8":
            raise UsageError(
                f"{found.schema}.{found.table}",
                "this database is managed by Prisma 8, which keeps another ledger",
                "use a target that Prisma 5 to 7 manages",
            )
    schema = target.schema or "public"
    seen = catalog.one(
        conn,
        """SELECT current_schema(), (SELECT n.nspname FROM pg_catalog.pg_class AS c
               JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
               WHERE c.oid = to_regclass(%s))""",
        [TABLE],
    )
    creates_in, reads_from = seen[0] or schema, seen[1] or schema
    if schema not in (creates_in,) or reads_from != schema:
        other = reads_from if reads_from != schema else creates_in
        raise UsageError(
            f"{schema}.{TABLE}",
            f"Prisma looks for its table in {schema}, but the search_path leads to {other}",
            f"add ?schema={other} to the URL, or set the search_path of the role",
        )
    return PrismaHistory(directory=directory, schema=schema)
