"""Ending sessions that are in the way: those of a role or an age that a person has named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from migsafe import blockers
from migsafe.blockers import Blocker, Kind
from migsafe.errors import UsageError, nearest

if TYPE_CHECKING:  # the driver is heavy
    from migsafe.target import Connection

#: The flag that names them.
FLAG = "--terminate-blockers"

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_AGE = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(_UNITS)})")


class Allowed(Struct, frozen=True, kw_only=True):
    """Who may be ended: sessions of a role, or those whose transaction is of an age in seconds.

    A role's transaction that has just begun is not meant: it will hardly last.
    """

    role: str | None = None
    age: float | None = None

    def names(self, blocker: Blocker) -> bool:
        """Tell whether a blocker is meant; one of an unknown age is so by its role alone."""
        age = blocker.age_seconds
        if self.role is not None:
            return blocker.user == self.role and (age is None or age >= blockers.MOMENT)
        return age is not None and age >= (self.age or 0)


class Ended(NamedTuple):
    """What became of one blocker that was meant, and a line that says so."""

    blocker: Blocker
    done: bool
    line: str


def parse(text: str) -> Allowed:
    """Read an age, such as 10m, or else a role; double quotes make anything a role."""
    if match := _AGE.fullmatch(text):
        return Allowed(age=float(match[1]) * _UNITS[match[2]])
    quoted = re.fullmatch(r'"(.+)"', text)
    role = quoted[1].replace('""', '"') if quoted else text
    if not role or (not quoted and re.match(r"[\d.]+$", role)):
        raise UsageError(FLAG, f"{text!r} is neither a role nor an age", "write it like app or 10m")
    return Allowed(role=role)


def check(conn: Connection, allowed: Allowed) -> None:
    """Raise UsageError where there is no such role, which would never end anybody."""
    if allowed.role is None:
        return
    roles = [str(name) for (name,) in conn.execute("SELECT rolname FROM pg_catalog.pg_roles")]
    if allowed.role not in roles:
        hint = nearest(allowed.role, roles) or "name a role, or an age such as 10m"
        raise UsageError(FLAG, f"there is no role {allowed.role}", hint)


def terminate(conn: Connection, found: Iterable[Blocker], allowed: Allowed) -> list[Ended]:
    """End the blockers that are meant, and return what became of each of them.

    `conn` is in autocommit. Nobody else is touched: not one that has taken the place of a blocker,
    nor a process that is no client's.
    """
    return list(_ended(conn, found, allowed))


def _ended(conn: Connection, found: Iterable[Blocker], allowed: Allowed) -> Iterator[Ended]:
    for blocker in found:
        if allowed.names(blocker):
            problem = _spared(blocker) or _terminated(conn, blocker)
            line = f"not terminated: {blocker}: {problem}" if problem else f"terminated: {blocker}"
            yield Ended(blocker, not problem, line)


def _spared(blocker: Blocker) -> str | None:
    """Return why a blocker is not even tried; None where it is."""
    if blocker.kind is Kind.PREPARED:
        return "it has no session; COMMIT PREPARED or ROLLBACK PREPARED ends it"
    if blocker.kind in (Kind.SESSION, Kind.DUMP):
        return None
    return "only sessions of clients are ended"


#: The transaction has to be at least as old as it was when it was seen: a younger one belongs to
#: another session, or to one that has moved on. Where its age is hidden, it has to be there.
_TERMINATE = """
    SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity AS a
    WHERE a.pid = %(pid)s AND a.usename = %(user)s AND a.pid <> pg_catalog.pg_backend_pid()
      AND CASE WHEN %(age)s::float8 IS NULL THEN EXISTS (
                   SELECT FROM pg_catalog.pg_locks AS l
                   WHERE l.pid = a.pid AND l.locktype = 'virtualxid'
                     AND l.mode = 'ExclusiveLock' AND l.granted)
               ELSE extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)
                   > %(age)s::float8 - 0.1 END
"""


def _terminated(conn: Connection, blocker: Blocker) -> str | None:
    """Return why a session was not ended; None where it was told to end."""
    from psycopg.errors import InsufficientPrivilege

    values = {"pid": blocker.pid, "user": blocker.user, "age": blocker.age_seconds}
    try:
        row = conn.execute(_TERMINATE, values).fetchone()
    except InsufficientPrivilege:
        role = conn.info.user
        return f"role {role} may not: it takes pg_signal_backend, and a superuser for a superuser's"
    return None if row and row[0] else "it was gone already"
