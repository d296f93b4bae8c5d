"""The database and its copy, on one server: what they are called, and which is which.

A name is given on by a swap; the oid of a database stays.
"""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from msgspec import Struct
from psycopg import errors, sql

from migsafe import target
from migsafe.catalog import databases
from migsafe.catalog.databases import Database, Standing
from migsafe.errors import BusyError, UnreachableError
from migsafe.restore import Restoring
from migsafe.restore.journal import Journal
from migsafe.snapshots import pg_dump
from migsafe.target import Connection, Session, Target

#: Bytes of a name (NAMEDATALEN - 1).
_LONGEST = 63

#: The states of a copy, as the last word of its comment.
FRESH, FILLING, FULL = "empty", "filling", "complete"

#: The name of the step after which the dump is read no more.
FILL = "restore the dump"

#: What the journal remembers: who is who by oid, and that the copy has had the name.
COPY, OLD, SERVED = "copy", "old", "served"


class Pair(Struct, frozen=True):
    """One restore's two databases."""

    restoring: Restoring

    @property
    def journal(self) -> Journal:
        """What is remembered of this restore."""
        return self.restoring.journal

    @property
    def name(self) -> str:
        """The name of the database."""
        return self.restoring.manifest.database

    @property
    def beside(self) -> str:
        """The name of the copy until it takes over."""
        return self._named("restore")

    @property
    def aside(self) -> str:
        """The name of the old database from then on."""
        return self._named("failed")

    def _named(self, word: str) -> str:
        """Cut the name, not the end, which is this restore's own."""
        tail = f"_{word}_{self.journal.record.id[-8:].lower()}"
        return self.name.encode()[: _LONGEST - len(tail)].decode("utf-8", "ignore") + tail

    @property
    def like(self) -> Database:
        """What the database was made with when the snapshot was taken."""
        import msgspec

        return msgspec.json.decode((self.folder / pg_dump.DATABASE).read_bytes(), type=Database)

    @property
    def folder(self) -> Path:
        """The directory of the snapshot."""
        return pg_dump.located(self.restoring.folder, self.restoring.manifest)

    def where(self, name: str) -> Target:
        """Return another database of the server, for the same login."""
        params = dict(self.restoring.target.params) | {"dbname": name}
        return replace(self.restoring.target, params=params, schema=None)

    @contextmanager
    def session(self, name: str) -> Iterator[Session]:
        """Open a session in a database of the server; it waits for answers without end."""
        where = self.where(name)
        with target.translated(where), target.connect(where) as conn:
            conn.patience = None
            conn.execute("SET statement_timeout = 0")
            yield conn

    @contextmanager
    def server(self) -> Iterator[Session]:
        """Open a session in another database, from which both are made and renamed."""
        with ExitStack() as stack:
            yield self._outside(stack)

    def _outside(self, stack: ExitStack) -> Session:
        """Open one of the databases that every server has."""
        if self.name != "postgres":
            with suppress(UnreachableError):
                return stack.enter_context(self.session("postgres"))
        return stack.enter_context(self.session("template1"))

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other machines from restoring the database meanwhile; raise BusyError."""
        digest = hashlib.sha256(f"migsafe restore {self.name}".encode()).digest()
        key = int.from_bytes(digest[:8], "big", signed=True)
        with self.server() as conn:
            # The session of a run that was killed ends a moment after the run.
            conn.execute("SET lock_timeout = '3s'")
            try:
                conn.execute("SELECT pg_advisory_lock(%s)", [key])
            except errors.LockNotAvailable:
                problem = "is being restored from another machine"
                raise BusyError(self.where(self.name).place, problem, "wait for its end") from None
            yield

    # ------------------------------------------------------------ which is which

    def copy(self, conn: Connection) -> Standing | None:
        """Find the copy: by what it is, or by its name and our comment on it."""
        known = self.journal.record.memory.get(COPY)
        if known is not None and (found := databases.known(conn, int(known))):
            return found
        found = databases.look(conn, self.beside)
        return found if found and self.state(found) else None

    def old(self, conn: Connection) -> Standing | None:
        """Find the database that had the name when the swap began, or has it now."""
        known = self.journal.record.memory.get(OLD)
        if known is not None:
            return databases.known(conn, int(known))
        return databases.look(conn, self.name)

    def state(self, standing: Standing) -> str | None:
        """Return how far the copy is by its comment; None where it has another one."""
        mark, _, state = (standing.comment or "").rpartition(": ")
        return state if mark == self._mark else None

    def mark(self, conn: Connection, state: str) -> None:
        """Say in the copy's comment how far it is."""
        comment(conn, self.beside, f"{self._mark}: {state}")

    @property
    def _mark(self) -> str:
        return f"migsafe restore {self.journal.record.id}"


def comment(conn: Connection, name: str, text: str | None) -> None:
    """Set the comment of a database, or take it away."""
    statement = sql.SQL("COMMENT ON DATABASE {} IS {}")
    conn.execute(statement.format(sql.Identifier(name), sql.Literal(text)))
