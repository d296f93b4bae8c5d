"""The swap of two databases' names: one transaction, while nobody is in either of them.

A database cannot be renamed while it is in use, so both are closed for that moment. Where the swap
fails, they are open again before anybody hears of it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import psycopg
from msgspec import Struct
from psycopg import sql

from migsafe import catalog, target
from migsafe.catalog import databases
from migsafe.catalog.databases import Standing
from migsafe.errors import UnreachableError
from migsafe.restore import sessions
from migsafe.restore.databases import present
from migsafe.restore.pair import COPY, FULL, OLD, SERVED, Pair, comment
from migsafe.target import Connection

#: Seconds that sessions get to end once they are told to. Arbitrary: a rollback takes no longer.
_PATIENCE = 60.0

#: How often a rename is tried: autovacuum may be in a database, and leaves when it is asked to.
_TRIES = 5

#: Databases and the names that they shall have; the first one makes room for the next.
_Moves = Sequence[tuple[Standing, str]]


class Swap(Struct, frozen=True):
    """Give the copy the name of the database, which gets another one."""

    pair: Pair
    name: str = "swap the names"

    def done(self) -> bool:
        """Tell whether the copy has the name, and lets people in."""
        pair = self.pair
        with pair.server() as conn:
            found = pair.copy(conn)
            return found is not None and found.name == pair.name and found.open

    def act(self) -> None:
        """Close both, end who is in, rename both, and open the copy."""
        pair = self.pair
        with pair.server() as conn:
            copy, old = present(pair, conn), pair.old(conn)
            moves = [(copy, pair.name)]
            if old and old.oid != copy.oid:
                pair.journal.remember(OLD, old.oid)
                moves.insert(0, (old, pair.aside))
            _refuse_other(pair, copy, old)
            refuse(pair, conn, [one.name for one, _ in moves])
            with _closed(conn, moves, self._place):
                _rename(conn, moves, self._place, lambda: self._serve(conn))

    @property
    def _place(self) -> str:
        return self.pair.where(self.pair.name).place

    def _serve(self, conn: Connection) -> None:
        """Open the copy; its comment is the database's, and no longer that of a copy."""
        _allow(conn, self.pair.name, True)
        comment(conn, self.pair.name, self.pair.like.comment)

    def undo(self) -> None:
        """Swap back, or open what was closed in vain."""
        pair = self.pair
        with pair.server() as conn:
            copy, old = pair.copy(conn), pair.old(conn)
            if old is None:
                place, remedy = pair.where(pair.aside).place, "leave it, or restore another time"
                raise UnreachableError(place, "the old database is gone", remedy)
            _refuse_other(pair, copy, old)
            moves = [(old, pair.name)]
            if copy and copy.oid != old.oid:
                moves.insert(0, (copy, pair.beside))
            if all(one.name == name for one, name in moves):
                _open(conn, moves)
                return
            pair.journal.remember(SERVED, True)
            refuse(pair, conn, [one.name for one, _ in moves])
            with _closed(conn, moves, self._place):
                _rename(conn, moves, self._place, lambda: self._unserve(conn, moves))

    def _unserve(self, conn: Connection, moves: _Moves) -> None:
        _open(conn, moves)
        if len(moves) > 1:
            self.pair.mark(conn, FULL)


def _refuse_other(pair: Pair, copy: Standing | None, old: Standing | None) -> None:
    """Rename nothing that has none of our names: another server gives the same oids to others."""
    ours = ((copy, (pair.beside, pair.name)), (old, (pair.name, pair.aside)))
    for one, names in ours:
        if one and one.name not in names:
            place, wanted = pair.where(one.name).place, " nor ".join(names)
            problem = f"is neither called {wanted}"
            raise UnreachableError(place, problem, "see whether this is the server of the restore")


def _open(conn: Connection, moves: _Moves) -> None:
    """Let everybody into the databases, which have their new names."""
    for _, name in moves:
        _allow(conn, name, True)


def refuse(pair: Pair, conn: Connection, names: Sequence[str]) -> None:
    """Refuse, while nothing is closed yet, what would keep a database in use."""
    for name in names:
        place = pair.where(name).place
        sessions.refuse_deployer(conn, name, place)
        if held := databases.prepared(conn, name):
            problem = f"the prepared transaction {held[0]!r} holds it"
            raise UnreachableError(place, problem, "COMMIT PREPARED or ROLLBACK PREPARED it there")
        foreign = [one for one in databases.inside(conn, name) if not one.mine]
        if foreign:
            problem = f"{_listed(foreign)} cannot be ended by this role"
            raise UnreachableError(place, problem, "end them as their role or a superuser")


def _listed(inside: Sequence[databases.Inside]) -> str:
    first, more = inside[0], len(inside) - 1
    named = f"the session {first.pid} of {first.role or 'the server'}"
    return f"{named} ({first.program}) and {more} more" if more else f"{named} ({first.program})"


@contextmanager
def _closed(conn: Connection, moves: _Moves, place: str) -> Iterator[None]:
    """Let nobody in, no superuser either, and end who is in; where the block fails, open both."""
    try:
        for one, _ in moves:
            _allow(conn, one.name, False)
        for one, _ in moves:  # once more, now that nobody can begin
            sessions.refuse_deployer(conn, one.name, place)
        _end_sessions(conn, [one.name for one, _ in moves], place)
        yield
    except BaseException:
        for one, _ in moves:
            if now := databases.known(conn, one.oid):
                _allow(conn, now.name, True)
        raise


def _end_sessions(conn: Connection, names: Sequence[str], place: str) -> None:
    until = time.monotonic() + _PATIENCE
    while left := [one for name in names for one in databases.inside(conn, name)]:
        if time.monotonic() > until:
            raise UnreachableError(place, f"{_listed(left)} does not end", "end it, then go on")
        for one in left:
            if one.mine:
                conn.execute("SELECT pg_catalog.pg_terminate_backend(%s)", [one.pid])
        time.sleep(0.05)


def _rename(conn: Connection, moves: _Moves, place: str, then: Callable[[], None]) -> None:
    """Give the names, and do the rest in the same transaction."""
    for _ in range(_TRIES):
        try:
            with conn.transaction():
                for one, name in moves:
                    if one.name != name:
                        _give(conn, one.name, name)
                then()
            return
        except psycopg.errors.ObjectInUse:
            continue
        except psycopg.errors.DuplicateDatabase:
            raise UnreachableError(place, "a name is taken", "look at the databases") from None
    raise UnreachableError(place, "a database is in use all the time", "see who is in it")


def _give(conn: Connection, name: str, other: str) -> None:
    statement = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    conn.execute(statement.format(sql.Identifier(name), sql.Identifier(other)))


def _allow(conn: Connection, name: str, allowed: bool) -> None:
    statement = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    conn.execute(statement.format(sql.Identifier(name), sql.Literal(allowed)))


class Answer(Struct, frozen=True):
    """See by the address that applications use who has the name."""

    pair: Pair
    name: str = "check the name"

    def done(self) -> bool:
        """Tell nothing: what was so an hour ago is looked at again."""
        return False

    def act(self) -> None:
        """Connect as an application does; raise UnreachableError where another one answers."""
        pair, where = self.pair, self.pair.restoring.target
        query = "SELECT oid::bigint FROM pg_catalog.pg_database WHERE datname = current_database()"
        with target.translated(where), target.connect(where, read_only=True) as conn:
            found = int(catalog.one(conn, query)[0])
        if found != pair.journal.record.memory.get(COPY):
            problem = "another database than the copy has the name"
            raise UnreachableError(where.place, problem, "look at the databases, then go on")

    def undo(self) -> None:
        """Do nothing: reading changes nothing."""
