"""The one poller of what AWS takes its time for, and the only clock and pause of what waits for it.

botocore's own waiters give up after 10 or 30 minutes, where a first snapshot takes hours; one of
them calls a snapshot complete that does not exist; and none says how far it is.
"""

import itertools
import random
import time
from collections.abc import Callable, Collection, Iterator

from msgspec import Struct

from migsafe.errors import UnreachableError

#: The clock and the pause; tests put their own here.
clock: Callable[[], float] = time.monotonic
sleep: Callable[[float], None] = time.sleep

#: Seconds for which what was just made may not be found: AWS's answers are eventually consistent.
#: Not documented for RDS; arbitrary.
UNSEEN = 120.0


class Seen(Struct, frozen=True, kw_only=True):
    """One look at something; `percent` is not always said, and jumps."""

    status: str
    percent: int | None = None


class Statuses(Struct, frozen=True, kw_only=True):
    """What the statuses of something mean; one that begins with ``incompatible-`` is a failure."""

    good: Collection[str]
    failed: Collection[str]
    busy: Collection[str] = ()

    def fails(self, status: str) -> bool:
        """Tell whether nothing good comes after this status."""
        return status in self.failed or status.startswith("incompatible-")

    def knows(self, status: str) -> bool:
        """Tell whether the status is one of those that are known to pass."""
        return status in self.busy or status in self.good


#: Of snapshots of instances and of clusters. The service's model lists none for the former; those
#: that fail are the ones of botocore's waiters.
SNAPSHOT = Statuses(
    good=("available",),
    failed=("failed", "deleted", "deleting"),
    busy=("creating", "copying", "pending"),
)

#: Of instances and clusters (RDS User Guide, "Viewing Amazon RDS DB instance status").
#: `storage-optimization` is one in which a database works, and snapshots are taken.
DATABASE = Statuses(
    good=("available", "storage-optimization"),
    failed=(
        "failed",
        "restore-error",
        "inaccessible-encryption-credentials",
        "inaccessible-encryption-credentials-recoverable",
        "insufficient-capacity",
        "storage-full",
        "stopped",
        "deleting",
        "cloning-failed",
        "migration-failed",
    ),
    busy=(
        "backing-up",
        "backtracking",
        "configuring-enhanced-monitoring",
        "configuring-iam-database-auth",
        "configuring-log-exports",
        "converting-to-vpc",
        "creating",
        "failing-over",
        "maintenance",
        "modifying",
        "moving-to-vpc",
        "promoting",
        "rebooting",
        "renaming",
        "resetting-master-credentials",
        "starting",
        "stopping",
        "storage-config-upgrade",
        "storage-initialization",
        "update-iam-db-auth",
        "upgrading",
    ),
)


def wait(
    look: Callable[[], Seen | None],
    *,
    place: str,
    statuses: Statuses,
    timeout: float,
    remedy: str,
    notify: Callable[[str], None],
    unseen: float = UNSEEN,
) -> Seen:
    """Look until the status is good, and return that look.

    Raise UnreachableError where it fails, is not found for `unseen` seconds after the first look,
    or is not good in `timeout` seconds; `remedy` says how to go on then. A status that nobody knows
    is said once and waited for.
    """
    began, told = clock(), set[str]()
    for pause in pauses():
        seen, passed = look(), clock() - began
        if seen and seen.status in statuses.good:
            return seen
        if seen and statuses.fails(seen.status):
            raise UnreachableError(place, f"is {seen.status}", remedy)
        if not seen and passed >= unseen:
            raise UnreachableError(place, "is not there", remedy)
        status = seen.status if seen else "not there yet"
        if seen and not statuses.knows(status) and status not in told:
            told.add(status)
            notify(f"{place}: the status {status} is not known to migsafe, which waits on")
        notify(_line(place, status, seen.percent if seen else None, passed))
        if passed >= timeout:
            raise UnreachableError(place, f"is still {status} after {spelled(timeout)}", remedy)
        sleep(min(pause, max(timeout - passed, 0.0)))
    raise AssertionError  # there is always another pause


def pauses() -> Iterator[float]:
    """Yield seconds between looks: 5, then from 15 up to 60, with jitter.

    Whoever asks every few seconds is throttled, and others of the account with them.
    """
    yield 5.0
    for pause in itertools.chain((15.0, 30.0), itertools.repeat(60.0)):
        yield pause * random.uniform(0.8, 1.2)  # noqa: S311  # no secret


def _line(place: str, status: str, percent: int | None, passed: float) -> str:
    """Say how far it is, and never how long it will take: the percentage jumps."""
    progress = "" if percent is None else f", {percent} %"
    return f"{place}: {status}{progress}, for {spelled(passed)}"


def spelled(seconds: float) -> str:
    """Write a duration for a person: ``2 h 5 min``, ``45 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (0 if hours else rest, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
