"""How AWS behaves in one test: how slow it is, how kind, and what else is in the account."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class Change:
    """Something that AWS is busy with: a status for each describe to come, then `settle`."""

    thing: Any
    statuses: list[str]
    settle: Callable[[], None]
    total: int


@dataclass(slots=True)
class Manners:
    """What a test may set. Counts are describes that still show something as busy."""

    snapshot_takes: int = 2
    snapshot_ends: str = "available"
    instance_takes: int = 2
    instance_ends: str = "available"
    #: The port of what is restored; None leaves it as in the snapshot.
    restored_port: int | None = None
    #: How many manual snapshots, of either kind, an account may have.
    quota: int = 100
    #: Seconds that LatestRestorableTime lags behind.
    restorable_lag: float = 0.0
    #: More proxy endpoints, cluster endpoints and maintenance, as AWS describes them.
    proxy_endpoints: list[dict[str, Any]] = field(default_factory=list)
    cluster_endpoints: list[dict[str, Any]] = field(default_factory=list)
    #: What a proxy does not reach, by its identifier.
    unhealthy: list[str] = field(default_factory=list)
    maintenance: list[dict[str, Any]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    def forget(self) -> None:
        """Behave as in a test that says nothing."""
        fresh = Manners()
        for one in fields(Manners):
            setattr(self, one.name, getattr(fresh, one.name))

    def begin(self, thing: Any, statuses: Sequence[str], settle: Callable[[], None]) -> None:
        """Let every describe that follows show the next of `statuses`, and settle after them."""
        self.changes.append(Change(thing, list(statuses), settle, len(statuses)))

    def tick(self, kinds: tuple[type, ...]) -> None:
        """Move what is busy one step on; called before a describe is answered."""
        for change in [one for one in self.changes if isinstance(one.thing, kinds)]:
            if change.statuses:
                change.thing.status = change.statuses.pop(0)
                done = change.total - len(change.statuses) - 1
                change.thing.percent_progress = 100 * done // (change.total + 1)
            else:
                self._settle(change)

    def finish(self, thing: Any) -> None:
        """Bring to its end at once whatever `thing` is busy with."""
        while found := [one for one in self.changes if one.thing is thing]:
            self._settle(found[0])

    def _settle(self, change: Change) -> None:
        self.changes.remove(change)
        change.thing.percent_progress = 100
        change.settle()


#: moto makes an object for every request; this is what they share.
manners = Manners()
