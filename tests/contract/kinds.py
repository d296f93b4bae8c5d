"""What each migration tool writes: files into its directory, rows into its table.

Everything here is worked out apart from migsafe, from the tools' own sources, so that it can
judge what migsafe reads and writes.
"""

import hashlib
import json
import re
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests import roles

Connection = psycopg.Connection[Any]
Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Sample:
    """One migration before a tool gives it a file; `alone` asks to run outside a transaction."""

    number: int
    title: str
    sql: str
    alone: bool = False


class Recent:
    """Equal to every time of the last minutes, with a zone or (Flyway's) without."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, datetime):
            return False
        now = datetime.now(UTC if other.tzinfo else None)
        return abs(now - other) < timedelta(minutes=5)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "<a time just now>"


class Uuid4:
    """Equal to the text of every random UUID in lower case."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and str(uuid.UUID(other, version=4)) == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "<a random uuid>"


class Between:
    """Equal to every whole number from `low` to `high`."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and self.low <= other <= self.high

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{self.low} to {self.high}>"


class Kind:
    """One kind of history: its files, its table, and its rows; here, migsafe's own table."""

    tool = "migsafe"
    table_name = "migrations"
    #: The schema that always holds the table; None for the current one.
    fixed_schema: str | None = "migsafe"
    #: The order of the rows.
    order = "applied, name"
    #: Severity of the finding about an edited file; None where the table holds no checksum.
    edited: str | None = "error"

    def __init__(self, id_: str) -> None:
        self.id = id_

    # ------------------------------------------------------------ files

    def name(self, sample: Sample) -> str:
        """The name under which migsafe lists the migration."""
        return f"{sample.number:04d}_{sample.title}"

    def file(self, folder: Path, sample: Sample) -> Path:
        return folder / f"{self.name(sample)}.sql"

    def text(self, sample: Sample) -> str:
        return sample.sql + "\n"

    def write(self, folder: Path, *samples: Sample) -> None:
        for sample in samples:
            file = self.file(folder, sample)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.text(sample), "utf-8")

    def remove(self, folder: Path, sample: Sample) -> None:
        self.file(folder, sample).unlink()

    def missing(self, sample: Sample) -> str:
        """How a record without its file is named."""
        return self.name(sample)

    # ------------------------------------------------------------ the tool's table

    def schema(self, conn: Connection) -> str:
        if self.fixed_schema:
            return self.fixed_schema
        row = conn.execute("SELECT current_schema()").fetchone()
        assert row
        return str(row[0])

    def identifier(self, conn: Connection) -> sql.Identifier:
        return sql.Identifier(self.schema(conn), self.table_name)

    def install(self, conn: Connection) -> None:
        """Create the tool's table as the tool does before its first migration."""

    @property
    def foreign(self) -> bool:
        """Whether another tool than migsafe writes the table."""
        return type(self).record is not Kind.record

    def record(self, conn: Connection, folder: Path, sample: Sample) -> None:
        """Write what the tool writes when it has run a migration."""
        raise NotImplementedError

    def checksum(self, file: Path) -> object:
        """The checksum as the table holds it."""
        return sha256(file)

    def expected(self, conn: Connection, folder: Path, samples: Sequence[Sample]) -> list[Row]:
        """The rows after these migrations, column by column."""
        return [
            {
                "name": self.name(sample),
                "checksum": self.checksum(self.file(folder, sample)),
                "applied": Recent(),
                "role": roles.deployer(conn.info.user),
            }
            for sample in samples
        ]

    def expected_resolved(self, conn: Connection, folder: Path, sample: Sample) -> Row:
        """The last row after `resolve --applied`, where it differs from a run."""
        return self.expected(conn, folder, [sample])[-1]

    def rows(self, conn: Connection) -> list[Row]:
        """Every row, in the order of writing; none where there is no table."""
        table = self.identifier(conn)
        there = conn.execute("SELECT to_regclass(%s)", [table.as_string(conn)]).fetchone()
        if not (there and there[0]):
            return []
        with conn.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            return cursor.execute(
                sql.SQL("SELECT * FROM {} ORDER BY {}").format(table, sql.SQL(self.order))
            ).fetchall()

    def fail(self, conn: Connection, folder: Path, sample: Sample) -> None:
        """Write what the tool leaves when a migration failed."""
        raise NotImplementedError

    def settle(self, conn: Connection, folder: Path, sample: Sample) -> None:
        """Write what the tool writes when a person says that a half-run migration is applied."""
        self.record(conn, folder, sample)

    @property
    def can_fail(self) -> bool:
        return type(self).fail is not Kind.fail

    def locks(self, conn: Connection) -> list[int]:
        """The advisory keys that the tool itself takes."""
        return []


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


class Prisma(Kind):
    """Prisma 6 and 7; the DDL is what the CLI sends."""

    tool = "Prisma"
    table_name = "_prisma_migrations"
    fixed_schema = None
    order = "started_at"
    edited = "warning"
    DDL = """CREATE TABLE {} (
        id                      VARCHAR(36) PRIMARY KEY NOT NULL,
        checksum                VARCHAR(64) NOT NULL,
        finished_at             TIMESTAMPTZ,
        migration_name          VARCHAR(255) NOT NULL,
        logs                    TEXT,
        rolled_back_at          TIMESTAMPTZ,
        started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
        applied_steps_count     INTEGER NOT NULL DEFAULT 0
    )"""

    def name(self, sample: Sample) -> str:
        return f"{20240101000000 + sample.number}_{sample.title}"

    def file(self, folder: Path, sample: Sample) -> Path:
        return folder / self.name(sample) / "migration.sql"

    def write(self, folder: Path, *samples: Sample) -> None:
        super().write(folder, *samples)
        (folder / "migration_lock.toml").write_text(
            "# Please do not edit this file manually\n"
            "# It should be added in your version-control system (e.g., Git)\n"
            'provider = "postgresql"\n'
        )

    def remove(self, folder: Path, sample: Sample) -> None:
        super().remove(folder, sample)
        self.file(folder, sample).parent.rmdir()

    def record(self, conn: Connection, folder: Path, sample: Sample) -> None:
        if not self._there(conn):
            conn.execute(sql.SQL(self.DDL).format(self.identifier(conn)))
        self._insert(conn, folder, sample)
        conn.execute(
            sql.SQL(
                "UPDATE {} SET applied_steps_count = applied_steps_count + 1, finished_at = now()"
                " WHERE migration_name = %s AND rolled_back_at IS NULL"
            ).format(self.identifier(conn)),
            [self.name(sample)],
        )

    def _there(self, conn: Connection) -> bool:
        name = self.identifier(conn).as_string(conn)
        row = conn.execute("SELECT to_regclass(%s)", [name]).fetchone()
        return bool(row and row[0])

    def _insert(self, conn: Connection, folder: Path, sample: Sample) -> None:
        conn.execute(
            sql.SQL(
                "INSERT INTO {} (id, checksum, started_at, migration_name)"
                " VALUES (%s, %s, now(), %s)"
            ).format(self.identifier(conn)),
            [str(uuid.uuid4()), sha256(self.file(folder, sample)), self.name(sample)],
        )

    def fail(self, conn: Connection, folder: Path, sample: Sample) -> None:
        self._insert(conn, folder, sample)
        conn.execute(
            sql.SQL("UPDATE {} SET logs = 'boom' WHERE migration_name = %s").format(
                self.identifier(conn)
            ),
            [self.name(sample)],
        )

    def settle(self, conn: Connection, folder: Path, sample: Sample) -> None:
        conn.execute(
            sql.SQL("UPDATE {} SET rolled_back_at = now() WHERE migration_name = %s").format(
                self.identifier(conn)
            ),
            [self.name(sample)],
        )
        self.record(conn, folder, sample)

    def expected(self, conn: Connection, folder: Path, samples: Sequence[Sample]) -> list[Row]:
        return [self._row(folder, sample) for sample in samples]

    def _row(self, folder: Path, sample: Sample, **different: object) -> Row:
        return {
            "id": Uuid4(),
            "checksum": sha256(self.file(folder, sample)),
            "finished_at": Recent(),
            "migration_name": self.name(sample),
            "logs": None,
            "rolled_back_at": None,
            "started_at": Recent(),
            "applied_steps_count": 1,
        } | different

    def expected_resolved(self, conn: Connection, folder: Path, sample: Sample) -> Row:
        return self._row(folder, sample, logs="", applied_steps_count=0)

    def locks(self, conn: Connection) -> list[int]:
        return [72707369]


class Flyway(Kind):
    """Flyway 5 and later (PostgreSQLDatabase.getRawCreateScript, JdbcTableSchemaHistory)."""

    tool = "Flyway"
    table_name = "flyway_schema_history"
    fixed_schema = None
    order = "installed_rank"

    def name(self, sample: Sample) -> str:
        return f"V{self.version(sample)}__{sample.title}"

    def version(self, sample: Sample) -> str:
        # Flyway keeps leading zeros as they are written.
        return f"00{sample.number}"

    def install(self, conn: Connection) -> None:
        table = self.identifier(conn)
        conn.execute(
            sql.SQL(
                """CREATE TABLE {0} (
                       "installed_rank" INT NOT NULL,
                       "version" VARCHAR(50),
                       "description" VARCHAR(200) NOT NULL,
                       "type" VARCHAR(20) NOT NULL,
                       "script" VARCHAR(1000) NOT NULL,
                       "checksum" INTEGER,
                       "installed_by" VARCHAR(100) NOT NULL,
                       "installed_on" TIMESTAMP NOT NULL DEFAULT now(),
                       "execution_time" INTEGER NOT NULL,
                       "success" BOOLEAN NOT NULL
                   );
                   ALTER TABLE {0} ADD CONSTRAINT "flyway_schema_history_pk"
                       PRIMARY KEY ("installed_rank");
                   CREATE INDEX "flyway_schema_history_s_idx" ON {0} ("success")"""
            ).format(table)
        )

    def record(self, conn: Connection, folder: Path, sample: Sample) -> None:
        self.insert(conn, **self._values(conn, folder, sample))

    def fail(self, conn: Connection, folder: Path, sample: Sample) -> None:
        self.insert(conn, **self._values(conn, folder, sample) | {"success": False})

    def insert(self, conn: Connection, **values: object) -> None:
        """Insert one row with the next rank, as Flyway counts it."""
        values.setdefault("installed_rank", len(self.rows(conn)) + 1)
        conn.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                self.identifier(conn),
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join(sql.Placeholder() * len(values)),
            ),
            list(values.values()),
        )

    def _values(self, conn: Connection, folder: Path, sample: Sample) -> Row:
        file = self.file(folder, sample)
        return {
            "version": self.version(sample),
            "description": sample.title.replace("_", " "),
            "type": "SQL",
            "script": file.name,
            "checksum": self.checksum(file),
            "installed_by": conn.info.user,
            "execution_time": 7,
            "success": True,
        }

    def checksum(self, file: Path) -> int:
        """CRC32 of the lines without their ends, line by line, as Java's signed int."""
        crc = 0
        for line in re.split(r"\r\n|\r|\n", file.read_text("utf-8")):
            crc = zlib.crc32(line.encode(), crc)
        return int.from_bytes(crc.to_bytes(4, "big"), "big", signed=True)

    def expected(self, conn: Connection, folder: Path, samples: Sequence[Sample]) -> list[Row]:
        return [
            self._values(conn, folder, sample)
            | {
                "installed_rank": rank,
                "installed_on": Recent(),
                "execution_time": Between(0, 60_000),
            }
            for rank, sample in enumerate(samples, start=1)
        ]

    def expected_resolved(self, conn: Connection, folder: Path, sample: Sample) -> Row:
        rank = len(self.rows(conn))
        return self.expected(conn, folder, [sample])[0] | {"installed_rank": rank}

    def locks(self, conn: Connection) -> list[int]:
        schema = self.schema(conn).replace('"', '""')
        quoted = f'"{schema}"."{self.table_name}"'
        code = 0
        for start in range(0, len(units := quoted.encode("utf-16-be")), 2):
            code = (31 * code + int.from_bytes(units[start : start + 2], "big")) & 0xFFFFFFFF
        signed = int.from_bytes(code.to_bytes(4, "big"), "big", signed=True)
        return [int.from_bytes(b"Flyway", "big") + signed]


class Dbmate(Kind):
    """dbmate 1 and 2 (pkg/driver/postgres)."""

    tool = "dbmate"
    table_name = "schema_migrations"
    fixed_schema = None
    order = "version"
    edited = None

    def text(self, sample: Sample) -> str:
        option = " transaction:false" if sample.alone else ""
        return f"-- migrate:up{option}\n{sample.sql}\n\n-- migrate:down\nSELECT 1 / 0;\n"

    def version(self, sample: Sample) -> str:
        return f"{sample.number:04d}"

    def missing(self, sample: Sample) -> str:
        return self.version(sample)

    def install(self, conn: Connection) -> None:
        conn.execute(
            sql.SQL("create table if not exists {} (version varchar(255) primary key)").format(
                self.identifier(conn)
            )
        )

    def record(self, conn: Connection, folder: Path, sample: Sample) -> None:
        conn.execute(
            sql.SQL("insert into {} (version) values (%s)").format(self.identifier(conn)),
            [self.version(sample)],
        )

    def expected(self, conn: Connection, folder: Path, samples: Sequence[Sample]) -> list[Row]:
        return [{"version": self.version(sample)} for sample in samples]


class GolangMigrate(Kind):
    """golang-migrate 4 (database/postgres): one row."""

    tool = "golang-migrate"
    table_name = "schema_migrations"
    fixed_schema = None
    order = "version"
    edited = None

    def file(self, folder: Path, sample: Sample) -> Path:
        return folder / f"{self.name(sample)}.up.sql"

    def write(self, folder: Path, *samples: Sample) -> None:
        super().write(folder, *samples)
        for sample in samples:
            (folder / f"{self.name(sample)}.down.sql").write_text("SELECT 1 / 0;\n")

    def missing(self, sample: Sample) -> str:
        return str(sample.number)

    def install(self, conn: Connection) -> None:
        conn.execute(
            sql.SQL(
                "CREATE TABLE IF NOT EXISTS {}"
                " (version bigint not null primary key, dirty boolean not null)"
            ).format(self.identifier(conn))
        )

    def _set(self, conn: Connection, version: int, *, dirty: bool) -> None:
        with conn.transaction():
            conn.execute(sql.SQL("TRUNCATE {}").format(self.identifier(conn)))
            conn.execute(
                sql.SQL("INSERT INTO {} (version, dirty) VALUES (%s, %s)").format(
                    self.identifier(conn)
                ),
                [version, dirty],
            )

    def record(self, conn: Connection, folder: Path, sample: Sample) -> None:
        self._set(conn, sample.number, dirty=False)

    def fail(self, conn: Connection, folder: Path, sample: Sample) -> None:
        self._set(conn, sample.number, dirty=True)

    def expected(self, conn: Connection, folder: Path, samples: Sequence[Sample]) -> list[Row]:
        return [{"version": sample.number, "dirty": False} for sample in samples[-1:]]

    def locks(self, conn: Connection) -> list[int]:
        """GenerateAdvisoryLockId; the command line takes the URL's path for the database's name."""
        names = (conn.info.dbname, f"/{conn.info.dbname}")
        return [self._lock(self.schema(conn), self.table_name, name) for name in names]

    def _lock(self, *names: str) -> int:
        return zlib.crc32("\0".join(names).encode()) * 1486364155 % 2**32


class Goose(Kind):
    def text(self, sample: Sample) -> str:
        top = "-- +goose NO TRANSACTION\n" if sample.alone else ""
        return f"{top}-- +goose Up\n{sample.sql}\n\n-- +goose Down\nSELECT 1 / 0;\n"


class SqlMigrate(Kind):
    def text(self, sample: Sample) -> str:
        option = " notransaction" if sample.alone else ""
        return f"-- +migrate Up{option}\n{sample.sql}\n-- +migrate Down\nSELECT 1 / 0;\n"


class Diesel(Kind):
    def name(self, sample: Sample) -> str:
        return f"2024-01-01-{sample.number:06d}_{sample.title}"

    def file(self, folder: Path, sample: Sample) -> Path:
        return folder / self.name(sample) / "up.sql"

    def write(self, folder: Path, *samples: Sample) -> None:
        super().write(folder, *samples)
        for sample in samples:
            parent = self.file(folder, sample).parent
            (parent / "down.sql").write_text("SELECT 1 / 0;\n")
            if sample.alone:
                (parent / "metadata.toml").write_text("run_in_transaction = false\n")


class Drizzle(Kind):
    def text(self, sample: Sample) -> str:
        return f"{sample.sql}\n--> statement-breakpoint\nSELECT 1;\n"

    def write(self, folder: Path, *samples: Sample) -> None:
        super().write(folder, *samples)
        journal = folder / "meta" / "_journal.json"
        journal.parent.mkdir(exist_ok=True)
        old: Mapping[str, Any] = json.loads(journal.read_text()) if journal.is_file() else {}
        tags = [entry["tag"] for entry in old.get("entries", ())]
        tags += [name for name in map(self.name, samples) if name not in tags]
        entries = [
            {"idx": idx, "version": "7", "when": 1704067200000 + idx, "tag": tag}
            for idx, tag in enumerate(tags)
        ]
        journal.write_text(json.dumps({"version": "7", "entries": entries}))


class Own(Kind):
    """The files of a tool whose table is not in the target."""

    def __init__(self, id_: str, files: Kind) -> None:
        super().__init__(id_)
        self._files = files

    def name(self, sample: Sample) -> str:
        return self._files.name(sample)

    def checksum(self, file: Path) -> object:
        return str(self._files.checksum(file))

    def file(self, folder: Path, sample: Sample) -> Path:
        return self._files.file(folder, sample)

    def write(self, folder: Path, *samples: Sample) -> None:
        self._files.write(folder, *samples)


#: Every kind with a table of its own; the whole body runs on them.
KINDS: Sequence[Kind] = (
    Prisma("prisma"),
    Kind("numbered"),
    Flyway("flyway"),
    Dbmate("dbmate"),
    GolangMigrate("golang-migrate"),
)

#: Layouts whose history goes into migsafe's table; they differ only in how files are read.
LAYOUTS: Sequence[Kind] = (
    Goose("goose"),
    SqlMigrate("sql-migrate"),
    Diesel("diesel"),
    Drizzle("drizzle"),
    Own("flyway-files", Flyway("")),
    Own("dbmate-files", Dbmate("")),
    Own("up-files", GolangMigrate("")),
)
