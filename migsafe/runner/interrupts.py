"""SIGINT and SIGTERM during a run: the first stops it where nothing is lost, the second at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

#: Seconds between two requests to cancel; arbitrary.
_AGAIN = 0.2


@dataclass(slots=True, repr=False)  # `signal` prints a handler, and with it all that it can reach
class Interrupts:
    """What came while a run was at work; it looks at `pending` between two statements."""

    #: Asks the server to cancel what it executes for us; called in a thread of its own, so that
    #: what the statement came to is still heard.
    cancel: Callable[[], None]
    count: int = 0
    #: Whether a statement of a file runs, which can be cancelled.
    _executes: bool = False
    #: Whether nothing runs at all.
    _sleeps: bool = False
    _cancelling: threading.Thread | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def pending(self) -> bool:
        """Whether the run should stop."""
        return self.count > 0

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self._sleeps or self.count > 1:
            raise KeyboardInterrupt
        if self._executes:
            self._cancelling = threading.Thread(target=self._cancel, daemon=True)
            self._cancelling.start()

    def _cancel(self) -> None:
        """Ask until it is over: a server that has not yet begun ignores the request."""
        while True:
            self.cancel()
            if self._ended.wait(_AGAIN):
                return

    @contextmanager
    def cancelling(self) -> Iterator[None]:
        """Let the first signal cancel what the block has the server execute.

        The block has to ask for itself whether one came before.
        """
        self._ended.clear()
        self._executes = True
        try:
            yield
        finally:
            self._executes = False
            self._ended.set()
            if self._cancelling:  # its request must not meet the statement that follows
                self._cancelling.join()
                self._cancelling = None

    def sleep(self, seconds: float) -> None:
        """Sleep; raise KeyboardInterrupt at the first signal, also at one that came before."""
        if self.pending:
            raise KeyboardInterrupt
        self._sleeps = True
        try:
            time.sleep(seconds)
        finally:
            self._sleeps = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Take the signals over; only the main thread can, elsewhere nothing changes."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[signal.Signals, Any] = {each: signal.getsignal(each) for each in _SIGNALS}
        for each in _SIGNALS:
            signal.signal(each, self._note)
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
