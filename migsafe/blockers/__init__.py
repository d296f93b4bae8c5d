"""Who is in the way of a migration: sessions whose locks or snapshots it would have to wait for.

What the role may not see of a session is unknown, not absent. Nobody is ended but by `ending`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from migsafe.errors import redacted

if TYPE_CHECKING:  # a report needs no driver, no parser and no questions
    from migsafe.blockers.sessions import Seen
    from migsafe.hazards import Wait
    from migsafe.target import Connection

__all__ = ["Blocked", "Blocker", "Kind", "exclusive", "forecast", "lasting", "waiting_for"]

#: Seconds below which a transaction is taken for one that is about to end. Arbitrary.
MOMENT = 1.0

#: Seconds after which a transaction whose age is hidden has to be there still. Arbitrary: a
#: transaction of an application takes milliseconds.
_AGAIN = 0.2

#: Schema and name of a relation; None stands for the snapshots of the database.
_Place = tuple[str, str] | None


class Kind(StrEnum):
    """What a blocker is, where that decides what can be done about it."""

    SESSION = "session"
    DUMP = "pg_dump"
    #: Gives way after deadlock_timeout (1 s) to whoever waits for its lock.
    AUTOVACUUM = "autovacuum"
    #: Does not give way, and begins again where it is ended.
    WRAPAROUND = "autovacuum against wraparound"
    PREPARED = "prepared transaction"
    #: A process of the server's own, or of a replica.
    SERVER = "server process"


class Blocked(Struct, frozen=True, kw_only=True):
    """The first statement of a migration that would wait; lines and statements are 1-based."""

    migration: str
    file: str
    line: int
    statement: int


class Blocker(Struct, frozen=True, kw_only=True):
    """One that is in the way. `age_seconds` is that of its transaction; None is unknown.

    `pid` is None and `prepared` the identifier where it is a prepared transaction. `state` is as in
    pg_stat_activity. `statement_seconds` is None where no statement runs, too. `why` is what it
    holds, with the strongest mode, and `relations` where. `blocks` is empty of one that is being
    waited for.
    """

    kind: Kind
    pid: int | None
    user: str | None
    application: str | None
    state: str | None
    age_seconds: float | None
    statement_seconds: float | None
    why: str
    relations: tuple[str, ...] = ()
    blocks: tuple[Blocked, ...] = ()
    prepared: str | None = None

    @property
    def who(self) -> str:
        """Name it: the process with its user and application."""
        by = ", ".join(part for part in (self.user, self.application) if part)
        label = "process" if self.kind is Kind.SESSION else f"{self.kind}, process"
        name = f"{label} {self.pid}" if self.pid else f"{self.kind} {self.prepared}"
        return f"{name} ({by})" if by else name

    @property
    def doing(self) -> str:
        """Say what it does, and for how long its transaction has been open."""
        if self.state is None and self.age_seconds is None:
            return "state unknown to this role"
        age = "an unknown time" if self.age_seconds is None else lasting(self.age_seconds)
        return f"{self.state or 'running'}, open for {age}"

    @property
    def holding(self) -> str:
        """Say what it has that is waited for, and where."""
        where, more = ", ".join(self.relations[:2]), len(self.relations) - 2
        more_of = f" and {more} more" if more > 0 else ""
        return f"{self.why} on {where}{more_of}" if where else self.why

    def __str__(self) -> str:
        """Return all of it as a part of a sentence."""
        return f"{self.who}: {self.doing}, {self.holding}"


def lasting(seconds: float) -> str:
    """Return a duration as a person reads it."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def forecast(
    conn: Connection, waits: Sequence[Wait], *, own: Sequence[int] = ()
) -> tuple[Blocker, ...]:
    """Return who is in the way now and will hardly be gone in a moment, the oldest first.

    `own` are the processes of our other sessions. Nothing is asked where nothing is waited for. A
    second look, after 0.2 s, is taken only where the age of a transaction is hidden.
    """
    if not waits:
        return ()
    by_relation: dict[_Place, list[Wait]] = defaultdict(list)
    for wait in waits:
        by_relation[wait.relation].append(wait)
    seen = (one for one in _seen(conn, waits, own) if not _passes(one))
    found = [(one, places) for one in seen if (places := list(_blocked(one, by_relation)))]
    if any(one.hidden for one, _ in found):
        time.sleep(_AGAIN)
        still = {one.identity for one in _seen(conn, waits, own)}
        found = [pair for pair in found if not pair[0].hidden or pair[0].identity in still]
    return _told(found)


def exclusive(conn: Connection) -> tuple[Blocker, ...]:
    """Return who keeps everybody out of some relation of the database: it cannot be read now."""
    from migsafe.blockers import sessions
    from migsafe.hazards import Wait
    from migsafe.hazards.locks import Mode
    from migsafe.schema import Key

    reads = [
        Wait(
            migration="", relation=Key(*names), mode=Mode.ACCESS_SHARE, file="", line=0, statement=0
        )
        for names in conn.execute(sessions.SHUT)
    ]
    return tuple(replace(one, blocks=()) for one in forecast(conn, reads))


def waiting_for(conn: Connection, pid: int) -> tuple[Blocker, ...]:
    """Return who keeps the process of another session waiting now, the oldest first."""
    from migsafe.blockers import sessions

    return _told((one, []) for one in sessions.read(conn, sessions.WAITED_FOR, pid, pid))


def _seen(conn: Connection, waits: Sequence[Wait], own: Sequence[int]) -> list[Seen]:
    from migsafe.blockers import sessions

    relations = list(dict.fromkeys(wait.relation for wait in waits if wait.relation))
    seen = []
    if relations:
        schemas, names = map(list, zip(*relations, strict=True))
        seen += sessions.read(conn, sessions.HOLDERS, schemas, names, list(own))
    if any(wait.relation is None for wait in waits):
        seen += sessions.read(conn, sessions.SNAPSHOTS, list(own))
    return seen


def _passes(one: Seen) -> bool:
    """Tell whether a session is about to end its transaction, or gives way to who waits for it."""
    return one.kind is Kind.AUTOVACUUM or (one.age is not None and one.age < MOMENT)


def _blocked(one: Seen, waits: Mapping[_Place, Iterable[Wait]]) -> Iterator[Blocked]:
    place = (one.schema, one.relation) if one.schema and one.relation else None
    mode = one.mode
    for wait in waits.get(place, ()):
        if place is None or (mode is not None and wait.is_for(mode, granted=one.granted)):
            yield Blocked(
                migration=wait.migration,
                file=wait.file,
                line=wait.line,
                statement=wait.statement,
            )


_Pair = tuple["Seen", list[Blocked]]


def _told(pairs: Iterable[_Pair]) -> tuple[Blocker, ...]:
    """Make one blocker of all that a session or a prepared transaction has."""

    def identity(pair: _Pair) -> tuple[int, str]:
        return pair[0].pid or 0, pair[0].prepared or ""

    found = [_blocker(list(own)) for _, own in groupby(sorted(pairs, key=identity), identity)]
    return tuple(sorted(found, key=lambda blocker: -(blocker.age_seconds or 0)))


def _blocker(pairs: Sequence[_Pair]) -> Blocker:
    seen = [one for one, _ in pairs]
    first, places = seen[0], [place for _, blocked in pairs for place in blocked]
    last_first = sorted(places, key=lambda place: place.statement, reverse=True)
    return Blocker(
        kind=first.kind,
        pid=first.pid,
        user=first.user,
        application=redacted(first.application) if first.application else None,
        state=first.state,
        age_seconds=_rounded(first.age),
        statement_seconds=_rounded(first.statement),
        why=" and ".join(dict.fromkeys(one.why for one in _strongest(seen))),
        relations=tuple(dict.fromkeys(one.name for one in seen if one.name)),
        blocks=tuple({place.migration: place for place in last_first}.values()),
        prepared=first.prepared,
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(max(seconds, 0), 1)


def _strongest(seen: Sequence[Seen]) -> Iterator[Seen]:
    """Yield the strongest lock that is held, the strongest that is asked for, and what is none."""
    locks = sorted((one for one in seen if one.mode), key=lambda one: one.mode or 0)
    for granted in (True, False):
        yield from [one for one in locks if one.granted is granted][-1:]
    yield from (one for one in seen if not one.mode)
