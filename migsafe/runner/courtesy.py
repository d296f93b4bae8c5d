"""Give way: end a wait of ours once readers or writers have waited behind it for long enough.

lock_timeout bounds one wait for one lock. A statement may need several, a transaction holds what it
has while it waits for more, and DETACH PARTITION CONCURRENTLY ends with a lock that readers of the
partition queue behind; this bounds the sum.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
from msgspec import Struct, field

if TYPE_CHECKING:
    from migsafe.deployers import Turn

#: Seconds between two looks while an answer is waited for; arbitrary.
_GLANCE = 0.05

#: For how many seconds the session waits for what others may wait behind. A wait for old snapshots
#: is none, unless it holds up a table; only PostgreSQL 14 and later know when a wait began.
_WAITS = """
    SELECT coalesce(extract(epoch FROM clock_timestamp() - w.waitstart), 0)::float
    FROM pg_catalog.pg_locks AS w
    WHERE w.pid = %(pid)s AND NOT w.granted AND (w.locktype <> 'virtualxid' OR EXISTS (
        SELECT FROM pg_catalog.pg_locks AS h
        WHERE h.pid = w.pid AND h.granted AND h.locktype = 'relation'
          AND h.mode = 'AccessExclusiveLock'))"""

#: The locks of readers and writers. What rebuilds or alters a table may wait behind us.
_CANCEL = f"""
    SELECT pg_catalog.pg_cancel_backend(%(pid)s)
    WHERE EXISTS ({_WAITS}) AND EXISTS (
        SELECT FROM pg_catalog.pg_locks AS b
        WHERE NOT b.granted AND b.locktype = 'relation'
          AND b.mode IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')
          AND clock_timestamp() - b.waitstart > %(bound)s * interval '1 s'
          AND %(pid)s = ANY (pg_catalog.pg_blocking_pids(b.pid)))"""  # noqa: S608

_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}


def seconds(lock_timeout: str) -> float:
    """Return the seconds of a lock_timeout as the config has it; 0 is none."""
    number = lock_timeout.rstrip("minsh")
    return float(number) * _UNITS[lock_timeout[len(number) :] or "ms"]


class Courtesy(Struct, kw_only=True):
    """Looks at the `runner` session of a turn, by its keeper, in a thread of its own."""

    turn: Turn
    #: Seconds that others may wait while we wait; 0 for as long as it takes.
    bound: float
    #: Whether it acts now: a file that sets its own timeouts has decided for itself.
    acts: bool = True
    #: Whether it has cancelled what the session executes.
    gave: bool = False
    #: Seconds of this attempt in which we have waited for locks.
    _waited: float = 0.0
    _looked: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    def renew(self) -> None:
        """Begin another attempt."""
        self._waited, self.gave = 0.0, False

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Look on while the block runs."""
        if not self.bound or self.turn.runner.info.server_version < 140000:
            yield
            return
        self._over.clear()
        thread = threading.Thread(target=self._watch, name="migsafe-courtesy", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_GLANCE):
            since = self.turn.runner.waiting
            if self.acts and since is not None and time.monotonic() - since >= _GLANCE:
                with suppress(psycopg.Error):  # who watches over the turn sees that, too
                    self._look()

    def _look(self) -> None:
        question = {"pid": self.turn.backend, "bound": self.bound}
        row = self.turn.keeper.execute(_WAITS, question).fetchone()
        if row is None:
            return
        now = time.monotonic()
        self._waited += min(row[0], now - self._looked)  # the server's clock where it is a new wait
        self._looked = now
        if max(self._waited, row[0]) >= self.bound:
            self.gave = True  # before the server cancels, or its answer could come first
            self.gave = self.turn.keeper.execute(_CANCEL, question).fetchone() is not None
