"""Restores of dumps: a database beside the old one, filled, settled, analyzed and verified."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

import msgspec
import psycopg
from msgspec import Struct
from msgspec.structs import replace
from psycopg import sql

from migsafe import catalog, target
from migsafe.catalog import databases
from migsafe.catalog.databases import Standing
from migsafe.errors import UnreachableError
from migsafe.findings import Finding, Severity
from migsafe.restore import Differs, Restoring, Step, comparing, creation, dumps
from migsafe.restore.pair import COPY, FILL, FILLING, FRESH, FULL, SERVED, Pair
from migsafe.target import Connection, Session

#: Seconds of a day: as long as the rows of a copy may take to be counted.
_COUNTING = 24 * 3600.0


def way(restoring: Restoring) -> "Dump":
    """Return how a dump is restored."""
    return Dump(Pair(restoring))


class Dump(Struct, frozen=True):
    """Way: a dump of one database."""

    pair: Pair

    def check(self, *, swap: bool) -> Sequence[str]:
        """Refuse what the server would refuse midway."""
        from migsafe.restore import requirements

        return requirements.check(self.pair, swap=swap)

    def names(self) -> tuple[str, str]:
        """Return what the copy is called beside, and the database once it is swapped out."""
        return self.pair.beside, self.pair.aside

    def claimed(self) -> AbstractContextManager[None]:
        """Hold a lock of the server meanwhile."""
        return self.pair.claimed()

    def beside(self) -> Sequence[Step]:
        """Create, fill, settle, analyze, verify."""
        pair = self.pair
        return [Create(pair), Fill(pair), Settle(pair), Analyze(pair), Verify(pair)]

    def swap(self) -> Sequence[Step]:
        """Give the names on, and see who answers."""
        from migsafe.restore.renaming import Answer, Swap

        return [Swap(self.pair), Answer(self.pair)]

    def by_hand(self, *, swapped: bool) -> Sequence[str]:
        """Return what a person has to do afterwards."""
        aside = sql.Identifier(self.pair.aside).as_string()
        if not swapped:
            return ()
        return (
            f"{self.pair.aside} lets nobody in: ALTER DATABASE {aside} ALLOW_CONNECTIONS true "
            "opens it; DROP DATABASE, once nothing in it is needed.",
            "migsafe's record is that of the snapshot, too: migsafe status says where it stands.",
        )


class Create(Struct, frozen=True):
    """Make the database that the dump goes into."""

    pair: Pair
    name: str = "create the copy"

    def done(self) -> bool:
        """Tell whether there is one of this restore."""
        with self.pair.server() as conn:
            return self.pair.copy(conn) is not None

    def act(self) -> None:
        """Make it, or take the one that was made before a crash."""
        with self.pair.server() as conn:
            ensure(self.pair, conn)

    def undo(self) -> None:
        """Drop it; keep one that has had the name, for nobody else has what was written there."""
        pair = self.pair
        with pair.server() as conn:
            found = mine(pair, conn)
            if found and pair.journal.record.memory.get(SERVED):
                note(pair, f"{found.name} has been the database, and is kept with its rows.")
            elif found:
                drop(pair, conn, found)


def ensure(pair: Pair, conn: Connection) -> Standing:
    """Return the copy, empty where there was none."""
    found = mine(pair, conn)
    if found is None:
        if databases.look(conn, pair.beside):
            problem, remedy = "is there and not of this restore", "rename it, then go on"
            raise UnreachableError(pair.where(pair.beside).place, problem, remedy)
        conn.execute(creation.create(pair.beside, pair.like, conn.info.server_version))
        pair.mark(conn, FRESH)
        found = present(pair, conn)
    pair.journal.remember(COPY, found.oid)
    return found


def mine(pair: Pair, conn: Connection) -> Standing | None:
    """Find the copy, also where a crash kept its comment away."""
    there = databases.look(conn, pair.beside)
    if there and there.comment is None and _is_empty(pair):
        pair.mark(conn, FRESH)
    return pair.copy(conn)


def _is_empty(pair: Pair) -> bool:
    """Tell whether nobody has made anything in the copy (16384 is FirstNormalObjectId)."""
    query = """SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE objid >= 16384)
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE oid >= 16384)"""
    with pair.session(pair.beside) as conn:
        return bool(catalog.one(conn, query)[0])


def drop(pair: Pair, conn: Connection, found: Standing) -> None:
    """Drop the copy; never the database, nor anything that this restore has not made."""
    old = pair.old(conn)
    if found.name != pair.beside or pair.state(found) is None or (old and old.oid == found.oid):
        place = pair.where(found.name).place
        raise UnreachableError(place, "is not of this restore", "drop it by hand, if at all")
    statement = sql.SQL("DROP DATABASE {} WITH (FORCE)")
    conn.execute(statement.format(sql.Identifier(found.name)))


class Fill(Struct, frozen=True):
    """Have pg_restore fill the copy."""

    pair: Pair
    name: str = FILL

    def done(self) -> bool:
        """Tell whether all of the dump is in it."""
        with self.pair.server() as conn:
            found = self.pair.copy(conn)
            return found is not None and self.pair.state(found) == FULL

    def act(self) -> None:
        """Fill it; one that was filled in part begins anew."""
        pair = self.pair
        with pair.server() as conn:
            if pair.state(found := ensure(pair, conn)) != FRESH:
                drop(pair, conn, found)
                ensure(pair, conn)
            pair.mark(conn, FILLING)
            dumps.restore(pair.folder, pair.restoring, conn, pair.beside)
            pair.mark(conn, FULL)

    def undo(self) -> None:
        """Do nothing: what is in the copy goes with it."""


def present(pair: Pair, conn: Connection) -> Standing:
    """Return the copy; raise UnreachableError where somebody has dropped it."""
    found = pair.copy(conn)
    if found is None:
        place, remedy = pair.where(pair.beside).place, "undo this restore and begin another"
        raise UnreachableError(place, "is gone", remedy)
    return found


class Settle(Struct, frozen=True):
    """Give the copy the settings and privileges of the database; a dump does not hold them."""

    pair: Pair
    name: str = "settings and privileges"

    def done(self) -> bool:
        """Tell whether it has them."""
        with self.pair.server() as conn:
            return not list(unlike(self.pair, conn))

    def act(self) -> None:
        """Set them, once the rows are in: such a setting may be read-only."""
        pair = self.pair
        with pair.server() as conn, conn.transaction():
            for statement in creation.settle(present(pair, conn).name, pair.like):
                self._set(conn, statement)

    def _set(self, conn: Connection, statement: sql.Composed) -> None:
        """Run one of them; an error may quote a value, which may be a secret."""
        try:
            conn.execute(statement)
        except psycopg.errors.DataError as error:
            place, problem = self.pair.where(self.pair.beside).place, target.explain(error, "")
            raise UnreachableError(place, problem, "mend the setting, then go on") from None

    def undo(self) -> None:
        """Do nothing: they go with the copy."""


def unlike(pair: Pair, conn: Connection) -> Iterator[str]:
    """Yield in what the copy is made otherwise; the comment comes with the name."""
    found, like = databases.read(conn, present(pair, conn).name), pair.like
    for key in found.__struct_fields__:
        if key != "comment" and getattr(found, key) != getattr(like, key):
            yield key


class Analyze(Struct, frozen=True):
    """Give the planner its numbers: a dump does not hold them, and without them it is lost."""

    pair: Pair
    name: str = "analyze"

    def done(self) -> bool:
        """Tell nothing: it may have stopped midway."""
        return False

    def act(self) -> None:
        """Read a sample of each table."""
        with self.pair.session(self.pair.beside) as conn:
            conn.execute("ANALYZE")

    def undo(self) -> None:
        """Do nothing: they go with the copy."""


class Verify(Struct, frozen=True):
    """Hold the copy against what was written down when the snapshot was taken."""

    pair: Pair
    name: str = "verify"

    def done(self) -> bool:
        """Tell nothing: what was so an hour ago is looked at again."""
        return False

    def act(self) -> None:
        """Compare facts, rows, sequences and the rest; raise Differs where anything is wrong."""
        pair = self.pair
        with pair.session(pair.beside) as conn:
            found = list(self._differences(conn))
        pair.journal.remember("findings", msgspec.to_builtins(found))
        if any(one.severity is Severity.ERROR for one in found):
            raise Differs(pair.where(pair.beside).place, found)

    def undo(self) -> None:
        """Do nothing: reading changes nothing."""

    def _differences(self, conn: Session) -> Iterator[Finding]:
        known = self.pair.restoring.manifest
        for key in unlike(self.pair, conn):
            yield comparing.finding("restored-database", f"the database's {key} is another one")
        # Other roles of the server may have come and gone since.
        expected = replace(known.fingerprint, roles=tuple(known.source["roles"]))
        seen = self.pair.restoring.fingerprint(conn, budget=_COUNTING)
        yield from comparing.differences(expected, seen)
        yield from dumps.differences(self.pair.folder, known, conn)


def note(pair: Pair, text: str) -> None:
    """Keep a note for the report."""
    notes = pair.journal.record.memory.get("notes", [])
    if text not in notes:
        pair.journal.remember("notes", [*notes, text])
