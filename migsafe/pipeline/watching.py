"""What a run shows while it runs: how far it is, and whom it waits for."""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from msgspec import Struct, field

from migsafe import blockers
from migsafe.blockers import Blocker, ending, progress
from migsafe.blockers.ending import Allowed
from migsafe.blockers.progress import Progress
from migsafe.pipeline.session import Notify
from migsafe.target import Connection

if TYPE_CHECKING:  # the parser is heavy
    from migsafe.hazards.waits import Wait
    from migsafe.planning import Step
    from migsafe.runner import At, Runner
    from migsafe.runner.revisions import Revisions


class Watching(Struct, kw_only=True):
    """Tells about a run: lines that stay by `notify`, the one that moves by `show`."""

    runner: "Runner | Revisions"
    waits: "Sequence[Wait]"
    notify: Notify
    show: Notify
    allowed: Allowed | None = None
    #: Who was in the way when somebody last looked, and what has been said.
    _last: tuple[Blocker, ...] = ()
    _told: set[object] = field(default_factory=set)

    def before(self, step: "Step") -> None:
        """Say who will be in the way of a step; what it takes of its own kind is not waited for.

        A session that is lost meanwhile is no end of the run: a COMMIT knows whether it may be.
        """
        self._last = ()
        ahead = [wait for wait in self.waits if wait.migration == step.migration.name]
        turn = self.runner.turn
        if ahead and not turn.lost:
            with suppress(psycopg.Error):
                found = blockers.forecast(turn.keeper, ahead, own=[turn.backend])
                self._blocked(turn.keeper, found)

    def look(self, conn: Connection, pid: int) -> None:
        """Look at the statement that runs, from the watching thread."""
        found = blockers.waiting_for(conn, pid)
        self._blocked(conn, found)
        self.show(_line(self.runner.at, progress.building(conn, pid), found))

    def _blocked(self, conn: Connection, found: tuple[Blocker, ...]) -> None:
        self._last = found or self._last
        for one in found:
            at = self.runner.at
            self._once((at.step, one.pid), f"{at.migration} waits for {one}")
        if self.allowed:
            for ended in ending.terminate(conn, found, self.allowed):
                self._once(ended.line, ended.line)

    def _once(self, key: object, line: str) -> None:
        if key not in self._told:
            self._told.add(key)
            self.notify(line)

    @property
    def blamed(self) -> str | None:
        """Name the first of those who were in the way of the step that did not get through."""
        return f"in the way: {self._last[0]}" if self._last else None


def _line(at: "At", building: Progress | None, waited: tuple[Blocker, ...]) -> str:
    """Say where a run is; of a build that waits, whom it waits for says more than its phase."""
    parts = [f"{at.step}/{at.steps} {at.migration}"]
    if at.statement:
        elapsed = blockers.lasting(time.monotonic() - at.since)
        parts.append(f"statement {at.statement} of {at.statements}, {elapsed}")
    if at.attempt > 1:
        parts.append(f"attempt {at.attempt}")
    if waited:
        parts.append(f"waits for {waited[0].who}")
    elif building:
        parts.append(str(building))
    return " · ".join(parts)
