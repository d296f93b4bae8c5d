"""Alembic's version table, which holds only the heads of what is in effect."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from msgspec import Struct
from psycopg import sql

from migsafe import catalog
from migsafe.errors import UsageError
from migsafe.histories import alembic_contexts as contexts_of
from migsafe.histories import driver
from migsafe.histories.alembic import AlembicDirectory
from migsafe.histories.entries import Entry, Recorded
from migsafe.histories.migration import Migration
from migsafe.target import Connection, Target, connect, template

#: What migsafe itself remembers of a revision; Alembic keeps no checksum and no time.
_RECEIPTS = """
    SELECT migration, checksum, recorded FROM (
        SELECT DISTINCT ON (migration) * FROM migsafe.receipts
        WHERE history = %s AND event IN ('done', 'applied', 'rolled_back')
        ORDER BY migration, id DESC) AS last
    WHERE event <> 'rolled_back'"""

_BEGAN = """
    SELECT checksum FROM migsafe.receipts
    WHERE history = %s AND migration = %s AND event = 'began' ORDER BY id DESC LIMIT 1"""


class AlembicTable(Struct, frozen=True, kw_only=True):
    """The version table that env.py names. It is written by the project's own Alembic only."""

    directory: AlembicDirectory
    target: Target
    schema: str
    name: str
    tool: str = "Alembic"
    #: Whether env.py has models to compare a schema with.
    models: bool = False
    strict: bool = False
    locks: Sequence[int] = ()

    @property
    def table(self) -> str:
        """The table, as ``schema.name``."""
        return f"{self.schema}.{self.name}"

    def present(self, conn: Connection) -> bool:
        """Tell whether the table says that anything is in effect; Alembic makes an empty one."""
        return bool(self.heads(conn))

    def heads(self, conn: Connection) -> list[str]:
        """Read the revisions in the table."""
        name = sql.Identifier(self.schema, self.name).as_string(conn)
        if not catalog.one(conn, "SELECT to_regclass(%s) IS NOT NULL", [name])[0]:
            return []
        query = template("SELECT version_num FROM {} ORDER BY 1", self.schema, self.name)
        return [str(revision) for (revision,) in conn.execute(query)]

    def occupied(self, conn: Connection) -> Sequence[str]:
        """Return the tables and views of the history's schemas, or of the whole database.

        A version table that is there and empty says nothing, so it is none of them.
        """
        return [one for one in catalog.tables(conn, self.directory.schemas) if one != self.table]

    def entries(self, conn: Connection) -> Sequence[Entry]:
        """Return every revision that the heads stand for, and heads that no file is of.

        What one of those stands for, nothing but a receipt tells.
        """
        heads, kept = self.heads(conn), self._receipts(conn)
        known = self.directory.ancestors(heads)
        unknown = [head for head in heads if head not in self.directory.parents]
        if unknown:
            known |= {*kept}
        names = [m.name for m in self.directory.migrations if m.name in known] + unknown
        return [_entry(name, *kept.get(name, (None, None))) for name in names]

    def _has_ledger(self, conn: Connection) -> bool:
        row = catalog.one(conn, "SELECT to_regclass('migsafe.receipts') IS NOT NULL")
        return bool(row[0])

    def _receipts(self, conn: Connection) -> dict[str, tuple[str, datetime]]:
        if not self._has_ledger(conn):
            return {}
        rows = conn.execute(_RECEIPTS, [f"{self.directory.kind}:{self.table}"])
        return {str(name): (str(checksum), at) for name, checksum, at in rows}

    def began_with(self, conn: Connection, migration: Migration) -> str | None:
        """Return the checksum of the revision when it last began outside a transaction."""
        if not self._has_ledger(conn):
            return None
        rows = conn.execute(_BEGAN, [f"{self.directory.kind}:{self.table}", migration.name])
        return next((str(checksum) for (checksum,) in rows), None)

    def matches(self, migration: Migration, checksum: str) -> bool:
        """Compare what the revision does; where it stands may change."""
        return checksum == migration.checksum

    def prepare(self, conn: Connection) -> None:
        """Do nothing: the project's Alembic makes its table."""

    def mark_applied(self, conn: Connection, migration: Migration) -> None:
        """Stamp the revision beside those that are in effect, through the project's env.py."""
        self.mark_all_applied(conn, [migration])

    def mark_all_applied(self, conn: Connection, migrations: Sequence[Migration]) -> None:
        """Stamp several at once: each stamp is a run of env.py."""
        known = self.directory.ancestors(self.heads(conn))
        self._stamp(conn, known | {migration.name for migration in migrations})

    def mark_rolled_back(self, conn: Connection, name: str) -> None:
        """Stamp what is in effect without the revision; what is not in effect needs nothing."""
        known = self.directory.ancestors(self.heads(conn))
        if name in known:
            self._stamp(conn, known - {name})

    def differences(self, seconds: float) -> list[str]:
        """Return what `alembic check` would find between the models and the schema.

        Raise UnreachableError where that takes longer than `seconds`.
        """
        session = ["SET default_transaction_read_only = on", "SET lock_timeout = '5s'"]
        with driver.running(self.directory.project, to=self.target, session=session) as running:
            found = running.bounded(seconds, do="check", ignored=["migsafe"])
        return list(found["operations"])

    def _stamp(self, conn: Connection, names: set[str]) -> None:
        """Have the table hold the heads of these, which stand for all that must run before them.

        Refused where that would call another one applied, or forget one that no file is of.
        """
        if more := self.directory.ancestors(list(names)) - names:
            raise UsageError(
                self.table,
                f"what is in effect after it would call {min(more)} applied too",
                f"settle {min(more)} first",
            )
        if unknown := [head for head in self.heads(conn) if head not in self.directory.parents]:
            raise UsageError(
                self.table,
                f"holds {unknown[0]}, of which this checkout has no file, and would lose it",
                "use the checkout that has it",
            )
        below = {parent for name in names for parent in self.directory.parents[name]}
        heads = sorted(names - below)
        with driver.running(self.directory.project, to=self.target) as running:
            for _ in running.events(do="stamp", revisions=heads or ["base"], purge=True):
                pass
        with connect(self.target) as other:  # `conn` may see an older snapshot
            stamped = self.directory.ancestors(self.heads(other))
        if stamped != names:
            raise UsageError(self.table, "does not hold what was stamped", "see alembic current")


def _entry(name: str, checksum: str | None, finished: datetime | None) -> Entry:
    return Entry(name=name, recorded=Recorded.APPLIED, checksum=checksum, finished=finished)


def attach(
    directory: AlembicDirectory, target: Target, meanwhile: Callable[[], object]
) -> AlembicTable:
    """Ask env.py for its version table, without writing; of several, take the one that is meant.

    `meanwhile` is called while env.py runs.
    """
    session = ["SET default_transaction_read_only = on", "SET row_security = off"]
    with directory.asked(target, session) as running:
        running.say(do="discover", files=False)
        meanwhile()
        found = running.answer()
        project, one, others = contexts_of.chosen(found["contexts"], directory.project)
        if found["again"] and project == directory.project:
            directory.first.append(running)
    schema = one["version_table_schema"] or one["schema"]
    shared = any(other["names"] == one["names"] for other in others)
    directory = replace(
        directory,
        project=project,
        findings=(*directory.findings, *contexts_of.left_alone(others, project)),
        schemas=directory.schemas or ((schema,) if shared else ()),
    )
    return AlembicTable(
        directory=directory,
        target=target,
        schema=schema,
        name=one["version_table"],
        models=one["target_metadata"],
    )
