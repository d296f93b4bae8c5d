"""One deployer at a time: whose turn it is, held on a session of its own and watched over.

The keeper is a session beside the one that runs migrations: a lock on the latter would be lost to a
file's DISCARD ALL, and nobody could ask the server anything while a statement runs.
"""

from __future__ import annotations

import random
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg
from msgspec import Struct, field
from psycopg.pq import TransactionStatus

from migsafe import catalog, ledger, target
from migsafe.errors import BusyError, MigsafeError
from migsafe.target import Connection, Session, Target, Write

#: Seconds for which the session that executes is waited for. A deployer that was killed leaves its
#: backend executing; it ends within half a second where the server looks after its client.
_ORPHAN = 15.0

#: Seconds between two looks at the server, and for which an answer of it may take. Arbitrary.
_BEAT, _ANSWER = 1.0, 10.0

#: Seconds for which a session is idle on the server, while we wait for it, when its answer is lost.
_LOST = 5.0

#: How often a new keeper is tried before the network counts as gone; each takes up to 10 s.
_TRIES = 3


class Turn(Struct, kw_only=True):
    """The right to deploy. `keeper` holds the locks, `pid` is its backend; `runner` executes."""

    target: Target
    keeper: Session
    runner: Session
    pid: int
    #: The process that serves `runner`; what a pooler announces is another.
    backend: int
    #: Held by the keeper as well, and known to nobody else.
    key: int = field(default_factory=lambda: secrets.randbits(62))
    #: Called by the watching thread about once a second while `runner` waits, with a free session.
    look: Callable[[Connection, int], None] | None = None
    _lost: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def lost(self) -> bool:
        """Whether the lock is known to be gone; `guarded` knows better."""
        return self._lost.is_set()

    def guarded(self, insert: Write) -> Write:
        """Let an INSERT fail with 22012 where the keeper is gone, and the lock with it.

        One goes with each COMMIT, in its transaction. It asks for a key of this turn alone: the
        lock itself may be another deployer's by then.
        """
        query, values = insert
        free = f"pg_catalog.pg_try_advisory_xact_lock_shared({self.key})"
        return f"{query} RETURNING 1 / (NOT {free})::int", values

    def held(self) -> bool:
        """Ask the server whether the keeper still holds the lock."""
        return ledger.holder(self.runner, ledger.LOCK) == self.pid

    def settle(self) -> None:
        """Wait until no other session executes; raise BusyError where one goes on and on."""
        _taken(self.runner, [ledger.RUNNING], self.target.place, _ORPHAN, lambda _: None)

    def resume(self) -> None:
        """Open another session to execute, once the server has ended the one that was lost.

        Raise UnreachableError where there is none to be had, BusyError where the lost one lives on.
        """
        self.runner = target.connect(self.target)
        self.runner.patience = None
        self.settle()
        self.backend = _backend(self.runner)

    def watch(self) -> None:
        """Beat until the turn is over; the body of the watching thread."""
        seen, tries = 0, 0
        try:
            while not self._over.wait(_BEAT):
                try:
                    seen = self._beat(seen)
                except psycopg.Error:  # what the server refuses to a look is no lost session
                    tries = self._missed(tries) if self.keeper.closed else 0
                else:
                    tries = 0
        finally:
            if not self._over.is_set():  # nobody watches any longer
                self._lost.set()

    def _missed(self, tries: int) -> int:
        """Note that the session with the lock is gone, and go on looking with another."""
        self._lost.set()
        if not self._renewed() and tries + 1 >= _TRIES:
            self._cut()
        return tries + 1

    def _beat(self, seen: int) -> int:
        """Look at the runner's backend; return how often it has owed us an answer in a row."""
        since = self.runner.waiting
        waits = since is not None and time.monotonic() - since > _LOST
        row = self.keeper.execute(
            """SELECT state LIKE 'idle%%' AND clock_timestamp() - state_change > %s * interval '1 s'
               FROM pg_catalog.pg_stat_activity WHERE pid = %s""",
            [_LOST, self.backend],
        ).fetchone()
        owes = waits and (row is None or row[0])
        if owes and seen and since == self.runner.waiting:
            self._cut()
        if since is not None and row and self.look:
            self.look(self.keeper, self.backend)
        return seen + 1 if owes else 0

    def _renewed(self) -> bool:
        """Open another keeper, which holds nothing and only looks."""
        with suppress(psycopg.Error):
            self.keeper.close()
        try:
            self.keeper = target.connect(self.target)
        except (psycopg.Error, MigsafeError):
            return False
        self.keeper.patience = _ANSWER
        return True

    def _cut(self) -> None:
        """End the runner's wait for what will not come; its own thread then sees a lost connection.

        libpq's connection belongs to that thread, its socket may be shut down by any.
        """
        if self.runner.closed or self.runner.waiting is None:
            return
        with suppress(OSError), socket.socket(fileno=socket.dup(self.runner.fileno())) as shared:
            shared.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Let the next one have its turn."""
        self._over.set()


@contextmanager
def turn(
    where: Target,
    runner: Session,
    keys: Sequence[int],
    *,
    wait: float = 0.0,
    notify: Callable[[str], None] = lambda _: None,
) -> Iterator[Turn]:
    """Hold the keys while the block runs; raise BusyError with the holder after `wait` seconds.

    `runner` is the session that will execute. Locks are tried and never waited for: a blocking
    waiter deadlocks with CREATE INDEX CONCURRENTLY (reference: frameworks, §6.6).
    """
    with target.connect(where) as keeper:
        keeper.patience = _ANSWER
        _taken(keeper, keys, where.place, wait, notify)
        _taken(runner, [ledger.RUNNING], where.place, max(wait, _ORPHAN), notify)
        held = Turn(
            target=where,
            keeper=keeper,
            runner=runner,
            pid=_backend(keeper),
            backend=_backend(runner),
        )
        keeper.execute("SELECT pg_catalog.pg_try_advisory_lock(%s)", [held.key])
        thread = threading.Thread(target=held.watch, name="migsafe-watch", daemon=True)
        thread.start()
        try:
            yield held
        finally:
            held.end()
            thread.join()
            _freed(held.keeper)
            held.keeper.close()
            if held.runner is not runner:
                held.runner.close()


def _backend(conn: Connection) -> int:
    return int(catalog.one(conn, "SELECT pg_catalog.pg_backend_pid()")[0])


def _taken(
    conn: Connection,
    keys: Sequence[int],
    place: str,
    wait: float,
    notify: Callable[[str], None],
) -> None:
    """Take all keys or none; ask again, with jitter, until `wait` seconds are over."""
    until, told = time.monotonic() + wait, False
    while busy := _tried(conn, keys):
        pid = ledger.holder(conn, busy)
        who = f"another deployment holds the lock (server process {pid or 'unknown'})"
        if time.monotonic() >= until:
            raise BusyError(place, who, "run it again when that one has ended, or with --lock-wait")
        if not told:
            notify(f"waiting: {who}")
            told = True
        time.sleep(random.uniform(0.1, 0.5))  # noqa: S311


def _tried(conn: Connection, keys: Sequence[int]) -> int | None:
    """Return the first key that is not free, holding none then."""
    for key in keys:
        row = conn.execute("SELECT pg_catalog.pg_try_advisory_lock(%s)", [key]).fetchone()
        if not (row and row[0]):
            _freed(conn)
            return key
    return None


def _freed(conn: Connection) -> None:
    """Free all locks; a session that is gone holds none, and must not hide what a run has done."""
    if not conn.closed and conn.info.transaction_status == TransactionStatus.IDLE:
        with suppress(psycopg.OperationalError):
            conn.execute("SELECT pg_catalog.pg_advisory_unlock_all()")
