"""Replay a history in the shadow and keep what each migration changes: the states S0 … Sn.

Never touches a target. What was replayed before is read from the cache (`migsafe.replay.cache`).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
from msgspec import Struct

from migsafe import facts, shadow, target
from migsafe.config import ShadowConfig
from migsafe.errors import UsageError
from migsafe.facts import Delta, Facts, Key
from migsafe.histories import Migration
from migsafe.replay import cache
from migsafe.replay.tracking import Tracker
from migsafe.target import Connection


class Stopped(Struct, frozen=True, kw_only=True):
    """Where a replay ended early; `line` is 1-based, None where the server named none.

    `extension` is the one that the shadow's server lacks, where that is the reason.
    """

    migration: str
    error: str
    line: int | None = None
    extension: str | None = None


class Replay(Struct, frozen=True, kw_only=True):
    """What a history does to an empty database, migration by migration.

    `deltas` are fewer than the migrations where `stopped` says why. `final` has every fact of the
    end, with those that `deltas` leave out.
    """

    names: tuple[str, ...]
    initial: Facts
    deltas: tuple[Delta, ...]
    final: Facts
    server: str
    stand_ins: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    stopped: Stopped | None = None
    cached: bool = False

    def state(self, applied: int) -> dict[Key, str]:
        """Return the facts after the first `applied` migrations."""
        state = dict(self.initial)
        for step in self.deltas[:applied]:
            facts.advance(state, step)
        return state


class Stage(Struct, frozen=True, kw_only=True):
    """Where a replay plays: the shadow's settings, and what it takes over from the target."""

    config: ShadowConfig
    root: Path
    major: int
    #: Prisma's ``?schema=``, which Prisma makes itself.
    schema: str | None = None
    #: The directory of kept replays, None to keep none.
    cache: Path | None = None
    #: What `shadow.identity` says of it, where that is known already.
    identity: str | None = None

    @property
    def server(self) -> str:
        """Name the server that it plays on."""
        return self.identity or shadow.identity(self.config, major=self.major, root=self.root)


Notify = Callable[[str], None]


def run(migrations: Sequence[Migration], stage: Stage, notify: Notify = lambda _: None) -> Replay:
    """Replay `migrations` on an empty database, or return the kept result of the same replay."""
    digest = cache.digest(migrations, stage.server, stage.config, stage.root, stage.schema)
    kept = cache.load(stage.cache, digest)
    if kept:
        return kept
    notify(f"replaying {len(migrations)} migrations in the shadow")
    played = _by_parts(migrations, stage) or _play(migrations, stage, by_parts=False)
    assert played is not None  # noqa: S101  # reading everything each time cannot miss anything
    cache.store(stage.cache, digest, played)
    return played


def statements(before: Sequence[Migration], stage: Stage, migration: Migration) -> Replay:
    """Replay the migrations `before` one, then its statements one by one: a delta each.

    Never kept: it is asked once, of a migration that stopped midway.
    """
    played = _halves(before, stage, migration, by_parts=True)
    played = played or _halves(before, stage, migration, by_parts=False)
    assert played is not None  # noqa: S101  # as in `run`
    return played


def _halves(
    before: Sequence[Migration], stage: Stage, migration: Migration, *, by_parts: bool
) -> Replay | None:
    """Replay statement by statement; None where the parts are not what is there at the end."""
    from migsafe import planning

    with _opened(stage) as (opened, conn):
        for earlier in before:
            if stopped := _tried(conn, earlier, opened):
                return _nothing(opened, stopped)
            target.execute(conn, _AS_NEW)
        step = planning.step(replace(migration, text=opened.fill(migration.text)))
        tracker = Tracker(conn, by_parts=by_parts)
        initial = facts.kept(tracker.state)
        deltas: list[Delta] = []
        stopped = None
        for statement in step.statements:
            try:
                target.execute(conn, statement.text)
            except psycopg.Error as error:
                stopped = _stopped(migration.name, error, statement.text)
                break
            deltas.append(tracker.step(statement.text))
        if not _holds(tracker, conn, stopped, by_parts=by_parts):
            return None
        return _result(
            opened, [str(s.index) for s in step.statements], initial, deltas, tracker, stopped
        )


def _nothing(opened: shadow.Shadow, stopped: Stopped) -> Replay:
    return Replay(names=(), initial={}, deltas=(), final={}, server=opened.version, stopped=stopped)


def _result(
    opened: shadow.Shadow,
    names: Sequence[str],
    initial: Facts,
    deltas: Sequence[Delta],
    tracker: Tracker,
    stopped: Stopped | None,
) -> Replay:
    return Replay(
        names=tuple(names),
        initial=initial,
        deltas=tuple(deltas),
        final=tracker.state,
        server=opened.version,
        stand_ins=opened.stand_ins,
        notes=opened.notes,
        stopped=stopped,
    )


@contextmanager
def _opened(stage: Stage) -> Iterator[tuple[shadow.Shadow, Connection]]:
    with shadow.opened(stage.config, major=stage.major, root=stage.root) as opened:
        shadow.prepare(opened, stage.config, stage.root, schema=stage.schema)
        with target.connect(target.parse(opened.url, name="shadow")) as conn:
            target.execute(conn, _AS_NEW)
            yield opened, conn


def _by_parts(migrations: Sequence[Migration], stage: Stage) -> Replay | None:
    """Replay with partial readings; None where a migration takes from us what they need."""
    try:
        return _play(migrations, stage, by_parts=True)
    except psycopg.Error:  # DISCARD ALL, or a DROP of every schema that there is
        return None


def _play(migrations: Sequence[Migration], stage: Stage, *, by_parts: bool) -> Replay | None:
    """Replay everything; None where the facts read in parts are not those read at the end."""
    with _opened(stage) as (opened, conn):
        tracker = Tracker(conn, by_parts=by_parts)
        initial = facts.kept(tracker.state)
        deltas: list[Delta] = []
        stopped, due = None, _CHECKED
        for migration in migrations:
            if stopped := _tried(conn, migration, opened, tracker.meanwhile):
                break
            deltas.append(tracker.step(migration.text, _AS_NEW))
            if len(deltas) == due:
                due *= 2
                if not tracker.check():
                    return None
        if not _holds(tracker, conn, stopped, by_parts=by_parts):
            return None
        names = [migration.name for migration in migrations]
        return _result(opened, names, initial, deltas, tracker, stopped)


def _holds(tracker: Tracker, conn: Connection, stopped: Stopped | None, *, by_parts: bool) -> bool:
    """Tell whether the steps led to what is there; where it stopped, only parts are in doubt."""
    if stopped and not by_parts:
        return True  # what stopped it may have been committed in part
    if stopped:
        conn.rollback()
        target.execute(conn, _AS_NEW)
    return tracker.check()


#: Migrations before a full reading proves the partial ones; the next is at twice as many. A reading
#: grows with the schema, so that at a fixed distance they would come to cost most of a replay.
#: Arbitrary: this one costs as much as some twenty partial ones.
_CHECKED = 100


def _tried(
    conn: Connection,
    migration: Migration,
    opened: shadow.Shadow,
    meanwhile: Callable[[str], None] = lambda _: None,
) -> Stopped | None:
    """Run one migration; return why it does not run, None where it did.

    `meanwhile` is called with its text while the server works, if it runs as one message.
    """
    text = opened.fill(migration.text)
    migration = replace(migration, text=text)
    try:
        _execute(conn, migration, lambda: meanwhile(migration.text))
    except UsageError as error:
        return Stopped(migration=migration.name, error=str(error))
    except psycopg.Error as error:
        return _stopped(migration.name, error, text)
    return None


#: As a session that has just begun: what a file leaves in its own is gone with the next release.
_AS_NEW = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; DISCARD TEMP"

#: What needs a look at the statements, for it may not run as one message.
_CAREFUL = re.compile(
    r"\b(begin|start\s+transaction|commit|rollback|concurrently|vacuum|reindex|cluster|copy"
    r"|add\s+value|database|system|subscription|tablespace|discard)\b",
    re.IGNORECASE,
)


def _execute(
    conn: Connection, migration: Migration, meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Run a migration in one transaction where it can be, statement by statement otherwise.

    One message is one transaction; to parse each file first would cost as much as to run it.
    """
    if migration.transaction and not migration.problem and not _CAREFUL.search(migration.text):
        return target.execute(conn, migration.text, meanwhile=meanwhile)
    from migsafe import planning  # it loads the parser and hazards, and what is kept needs neither

    step = planning.step(migration)
    if not step.alone:
        return target.execute(conn, "\n;\n".join(item.text for item in step.statements))
    for statement in step.statements:
        target.execute(conn, statement.text)
    return None


_NO_EXTENSION = re.compile(r'extension "([^"]+)" is not available')


def _stopped(name: str, error: psycopg.Error, text: str) -> Stopped:
    position = error.diag.statement_position
    missing = _NO_EXTENSION.search(error.diag.message_primary or "")
    return Stopped(
        migration=name,
        error=target.explain(error, text),
        line=text.count("\n", 0, int(position) - 1) + 1 if position else None,
        extension=missing[1] if missing else None,
    )
