"""The tables in which plain SQL tools record their migrations; ours where the tool left none."""

import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from psycopg import sql

from migsafe import catalog
from migsafe.errors import UsageError
from migsafe.histories.entries import Entry, History, Recorded
from migsafe.histories.forged import Oddity, is_crc32, is_sha256
from migsafe.histories.migration import Directory, Migration, distinct
from migsafe.histories.sql import flyway_version
from migsafe.target import Connection, Write, send, template


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table(ABC):
    """What all of them share: a table that is there because its tool made it."""

    directory: Directory
    schema: str
    name: str
    locks: Sequence[int] = ()

    @property
    def table(self) -> str:
        """The table, as ``schema.name``."""
        return f"{self.schema}.{self.name}"

    def _write(self, query: str, values: Sequence[Any] = ()) -> Write:
        return template(query, self.schema, self.name), values

    def _run(self, conn: Connection, query: str, values: Sequence[Any] = ()) -> list[Any]:
        cursor = conn.execute(*self._write(query, values))
        return cursor.fetchall() if cursor.description else []

    def present(self, conn: Connection) -> bool:
        """Tell whether the table is there."""
        name = sql.Identifier(self.schema, self.name).as_string(conn)
        return bool(catalog.one(conn, "SELECT to_regclass(%s) IS NOT NULL", [name])[0])

    def occupied(self, conn: Connection) -> Sequence[str]:
        """Return the tables and views of the history's schemas, or of the whole database."""
        return catalog.tables(conn, self.directory.schemas)

    def prepare(self, conn: Connection) -> None:  # noqa: B027  # an answer, not a gap
        """Do nothing: the tool made its table."""

    def began(self, conn: Connection, migration: Migration) -> None:  # noqa: B027
        """Do nothing: this tool records a migration when it has run."""

    @abstractmethod
    def record(self, migration: Migration, started: datetime) -> Write:
        """Build what records a migration as run, exactly as the tool would."""

    def finish(self, migration: Migration, started: datetime) -> Write:
        """Build the same as `record`, which does not ask how a migration ran."""
        return self.record(migration, started)

    def withdraw(self, conn: Connection, migration: Migration) -> None:  # noqa: B027
        """Do nothing: `began` wrote nothing."""

    def mark_applied(self, conn: Connection, migration: Migration) -> None:
        """Record the migration as if it had run."""
        send(conn, self.record(migration, datetime.now(UTC)))

    def matches(self, migration: Migration, checksum: str) -> bool:
        """Compare with the checksum of the whole file."""
        return checksum == migration.checksum


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTable(_Table):
    """migsafe's own table, for a directory whose tool left none."""

    tool: str = "migsafe"
    strict: bool = True

    def prepare(self, conn: Connection) -> None:
        """Create the table where it is missing."""
        if self.present(conn):
            return  # CREATE SCHEMA wants its right on the database even where it does nothing
        conn.execute("CREATE SCHEMA IF NOT EXISTS migsafe")
        self._run(
            conn,
            """CREATE TABLE IF NOT EXISTS {} (
                   name text PRIMARY KEY,
                   checksum text NOT NULL,
                   applied timestamptz NOT NULL DEFAULT clock_timestamp(),
                   role text NOT NULL DEFAULT session_user)""",
        )

    def entries(self, conn: Connection) -> Sequence[Entry]:
        """Read the rows, oldest first."""
        if not self.present(conn):
            return []
        rows = self._run(conn, "SELECT name, checksum, applied FROM {} ORDER BY applied, name")
        return [self._entry(*row) for row in rows]

    def _entry(self, name: str, checksum: str, at: datetime) -> Entry:
        is_sum = is_crc32 if self.directory.layout == "flyway" else is_sha256
        odd = [] if is_sum(checksum) else [Oddity.CHECKSUM]
        applied = Recorded.APPLIED
        return Entry(name=name, checksum=checksum, finished=at, recorded=applied, oddities=odd)

    def record(self, migration: Migration, started: datetime) -> Write:  # noqa: ARG002
        """Build the insert of the migration."""
        values = [migration.name, migration.checksum]
        return self._write("INSERT INTO {} (name, checksum) VALUES (%s, %s)", values)

    def mark_rolled_back(self, conn: Connection, name: str) -> None:
        """Delete the migration's row, if there is one."""
        if self.present(conn):
            self._run(conn, "DELETE FROM {} WHERE name = %s", [name])


_Key = tuple[int, ...] | str


def _key(version: str | None, description: str) -> _Key:
    """Return what identifies a migration to Flyway: its version, or a repeatable's description."""
    return flyway_version(version) if version else description


def _stem(script: str) -> str:
    return script.rsplit("/", 1)[-1].removesuffix(".sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlywayTable(_Table):
    """Flyway's schema history."""

    tool: str = "Flyway"
    strict: bool = True

    def entries(self, conn: Connection) -> Sequence[Entry]:
        """Read the rows in rank order; versions at or below a baseline count as applied."""
        rows = self._run(
            conn,
            """SELECT version, description, type, script, checksum, installed_on, success
               FROM {} ORDER BY installed_rank""",
        )
        names = self._names()
        found: dict[str, Entry] = {}
        for version, description, kind, script, checksum, at, success in rows:
            if kind == "SCHEMA":
                continue
            if kind in ("BASELINE", "SQL_BASELINE"):
                found |= self._below(flyway_version(version), at)
                continue
            name = names.get(_key(version, description)) or _stem(script)
            if kind == "DELETE" or kind.startswith("UNDO"):
                found.pop(name, None)
                continue
            found[name] = Entry(
                name=name,
                checksum=None if checksum is None else str(checksum),
                finished=at.replace(tzinfo=UTC),
                recorded=Recorded.APPLIED if success else Recorded.FAILED,
            )
        repeatable = {m.name: m.checksum for m in self.directory.migrations if not m.version}
        # One that changed since is pending again, not edited.
        return [e for e in found.values() if repeatable.get(e.name, e.checksum) == e.checksum]

    def _below(self, baseline: tuple[int, ...], at: datetime) -> dict[str, Entry]:
        names = [
            m.name
            for m in self.directory.migrations
            if m.version and flyway_version(m.version) <= baseline
        ]
        finished = at.replace(tzinfo=UTC)
        return {n: Entry(name=n, recorded=Recorded.APPLIED, finished=finished) for n in names}

    def _names(self) -> dict[_Key, str]:
        """Map what a row says of a migration to its name; the first of two that share it."""
        migrations = reversed(self.directory.migrations)
        return {_key(m.version, _described(m)): m.name for m in migrations}

    def record(self, migration: Migration, started: datetime) -> Write:
        """Build the row that Flyway would insert."""
        milliseconds = int((datetime.now(UTC) - started).total_seconds() * 1000)
        return self._write(
            """INSERT INTO {0} (installed_rank, version, description, type, script, checksum,
                                installed_by, execution_time, success)
               SELECT coalesce(max(installed_rank), 0) + 1, %s, %s, 'SQL', %s, %s, current_user, %s,
                      true FROM {0}""",
            [
                _written_version(migration),
                _described(migration),
                migration.path.relative_to(self.directory.path).as_posix(),
                int(migration.checksum),
                milliseconds,
            ],
        )

    def mark_applied(self, conn: Connection, migration: Migration) -> None:
        """Replace a failed row, as `flyway repair` and a run would."""
        self.mark_rolled_back(conn, migration.name)
        send(conn, self.record(migration, datetime.now(UTC)))

    def mark_rolled_back(self, conn: Connection, name: str) -> None:
        """Delete the failed rows of the migration, as `flyway repair` does."""
        rows = self._run(
            conn, "SELECT installed_rank, version, description, script FROM {} WHERE NOT success"
        )
        names = self._names()
        ranks = [
            rank
            for rank, version, text, script in rows
            if (names.get(_key(version, text)) or _stem(script)) == name
        ]
        self._run(conn, "DELETE FROM {} WHERE installed_rank = ANY(%s)", [ranks])


def _written_version(migration: Migration) -> str | None:
    """Return the version as its file writes it: Flyway records leading zeros, but compares none."""
    written = migration.name[1:].split("__", 1)[0].replace("_", ".")
    return written if migration.version else None


def _described(migration: Migration) -> str:
    return migration.name.split("__", 1)[-1].replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class DbmateTable(_Table):
    """dbmate's list of versions."""

    tool: str = "dbmate"
    strict: bool = False

    def entries(self, conn: Connection) -> Sequence[Entry]:
        """Read the versions; one without a file keeps its version as its name."""
        names = {m.version: m.name for m in self.directory.migrations}
        rows = self._run(conn, "SELECT version FROM {} ORDER BY version")
        return [Entry(name=names.get(v, v), recorded=Recorded.APPLIED) for (v,) in rows]

    def record(self, migration: Migration, started: datetime) -> Write:  # noqa: ARG002
        """Build the insert of the version."""
        return self._write("INSERT INTO {} (version) VALUES (%s)", [migration.version])

    def mark_rolled_back(self, conn: Connection, name: str) -> None:
        """Delete the version, if it is there."""
        version = self.directory.named(name).version
        self._run(conn, "DELETE FROM {} WHERE version = %s", [version])


@dataclass(frozen=True, slots=True, kw_only=True)
class GolangMigrateTable(_Table):
    """golang-migrate's single row: the current version, and whether it stopped midway."""

    tool: str = "golang-migrate"
    strict: bool = False
    #: The row as it was before `began`.
    found: list[tuple[int, bool]] = field(default_factory=list, compare=False)

    def entries(self, conn: Connection) -> Sequence[Entry]:
        """Derive an entry a migration: every version up to the current one is applied."""
        rows = self._run(conn, "SELECT version, dirty FROM {}")
        if not rows:
            return []
        version, dirty = rows[0]
        known = [m for m in self.directory.migrations if int(m.version) <= version]
        found = [Entry(name=m.name, recorded=Recorded.APPLIED) for m in known]
        if not known or int(known[-1].version) != version:
            found.append(Entry(name=str(version), recorded=Recorded.APPLIED))
        if dirty:
            found[-1] = Entry(name=found[-1].name, recorded=Recorded.FAILED)
        return found

    def _set(self, version: str | None, *, dirty: bool = False) -> Write:
        if version is None:
            return self._write("TRUNCATE {}")
        query = "TRUNCATE {0}; INSERT INTO {0} (version, dirty) VALUES (%s, %s)"
        return self._write(query, [version, dirty])

    def began(self, conn: Connection, migration: Migration) -> None:
        """Set the version and call it dirty, as golang-migrate does before every file."""
        self._check_gap(conn, migration)
        self.found[:] = self._run(conn, "SELECT version, dirty FROM {}")
        send(conn, self._set(migration.version, dirty=True))

    def record(self, migration: Migration, started: datetime) -> Write:  # noqa: ARG002
        """Build what sets the version, as `migrate force` does too."""
        return self._set(migration.version)

    def withdraw(self, conn: Connection, migration: Migration) -> None:  # noqa: ARG002
        """Put the row back as `began` found it."""
        self._run(conn, "TRUNCATE {}")
        for version, dirty in self.found:
            send(conn, self._set(str(version), dirty=dirty))

    def mark_applied(self, conn: Connection, migration: Migration) -> None:
        """Set the version."""
        self._check_gap(conn, migration)
        send(conn, self._set(migration.version))

    def _check_gap(self, conn: Connection, migration: Migration) -> None:
        """Refuse to skip a version, because the one that is set stands for every older file too."""
        rows = self._run(conn, "SELECT version FROM {}")
        current = max((int(version) for (version,) in rows), default=-1)
        skipped = [
            m.name
            for m in self.directory.migrations
            if current < int(m.version) < int(migration.version)
        ]
        if skipped:
            raise UsageError(
                migration.name,
                f"golang-migrate's one version would call {skipped[0]} applied too",
                f"resolve {skipped[0]} first",
            )

    def mark_rolled_back(self, conn: Connection, name: str) -> None:
        """Set the version before this one, as `migrate force` does."""
        send(conn, self._set(self._before(name)))

    def _before(self, name: str) -> str | None:
        """Return the version of the file before a migration; a name without file is a version."""
        versions = {m.name: int(m.version) for m in self.directory.migrations}
        older = [v for v in versions.values() if v < versions.get(name, _number(name))]
        return str(max(older)) if older else None


def _number(version: str) -> int:
    return int(version) if re.fullmatch(r"-?\d+", version) else -1


def golang_migrate_lock(schema: str, table: str, database: str) -> int:
    """Return golang-migrate's advisory key (database/util.go, GenerateAdvisoryLockId)."""
    return zlib.crc32("\0".join((schema, table, database)).encode()) * 1486364155 % (1 << 32)


def flyway_lock(schema: str, table: str) -> int:
    """Return Flyway's advisory key: "Flyway" as a number, plus Java's hash of the quoted table."""
    units = sql.Identifier(schema, table).as_string().encode("utf-16-be")
    code = 0
    for high, low in zip(units[::2], units[1::2], strict=True):
        code = (code * 31 + high * 256 + low) % (1 << 32)
    return 0x466C79776179 + (code - (1 << 32) if code >= 1 << 31 else code)


#: Tools whose directory is plain SQL but whose ledger is only recognised so far.
REFUSED = {
    "goose",
    "sqlx",
    "diesel",
    "Supabase",
    "Drizzle",
    "Sqitch",
    "sql-migrate",
    "Atlas",
    "graphile-migrate",
    "node-pg-migrate",
    "pgroll",
    "yoyo",
    "Flyway before 5",
}

#: The layout in which each served tool keeps its files.
SERVED = {"Flyway": "flyway", "dbmate": "dbmate", "golang-migrate": "up-files"}


def attach(directory: Directory, conn: Connection) -> History:
    """Find the table that the directory's own tool left in the target; ours where there is none.

    A ledger that cannot be served is refused by name, so that no second truth is made beside it.
    """
    schema = catalog.current_schema(conn)
    near = {schema, *directory.schemas}
    for found in catalog.ledgers(conn):
        fixed = f"{found.schema}.{found.table}" in catalog.LEDGERS
        if found.schema not in near and not fixed:
            continue
        if SERVED.get(found.tool) == directory.layout:
            return _served(directory, conn, found)
        if found.tool in REFUSED or found.tool in SERVED:
            raise UsageError(
                f"{found.schema}.{found.table}",
                f"{found.tool} keeps this target's history, which migsafe cannot write for a "
                f"directory of layout {directory.layout}",
                "go on with that tool, or choose the directory that belongs to the ledger",
            )
    return OwnTable(directory=directory, schema="migsafe", name="migrations")


def _served(directory: Directory, conn: Connection, found: catalog.Found) -> History:
    place = {"directory": directory, "schema": found.schema, "name": found.table}
    if found.tool == "Flyway":
        return FlywayTable(**place, locks=(flyway_lock(found.schema, found.table),))  # type: ignore[arg-type]
    if found.tool == "dbmate":
        return DbmateTable(**place)  # type: ignore[arg-type]
    distinct(directory.migrations, directory.path, versions=True)
    database = str(catalog.one(conn, "SELECT current_database()")[0])
    # Its command line takes the URL's path for the database's name, with the slash.
    names = (f"/{database}", database)
    keys = tuple(golang_migrate_lock(found.schema, found.table, name) for name in names)
    return GolangMigrateTable(**place, locks=keys)  # type: ignore[arg-type]
