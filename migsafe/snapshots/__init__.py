"""Snapshots: a restorable copy of the target, by one of several providers.

Loads no driver and no cloud: a report holds a snapshot, too.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from migsafe.config import EnvConfig
from migsafe.snapshots.manifest import Fingerprint, Manifest, Snapshot

if TYPE_CHECKING:
    from migsafe.catalog import Server
    from migsafe.target import Connection, Target

__all__ = ["Copy", "Fingerprint", "Manifest", "Provider", "Shelf", "Snapshot", "Taking", "provider"]


class Shelf(Struct, frozen=True, kw_only=True):
    """Whose copies are meant, and where they are kept. `folder` has the manifests, and dumps."""

    target: "Target"
    env: EnvConfig
    folder: Path
    notify: Callable[[str], None]


class Taking(Shelf, frozen=True, kw_only=True):
    """What a provider needs to take a copy.

    `fingerprint` reads what a session sees: in its transaction, where it is in one. With `wait`
    False the copy need not be complete, provided that the target can go back in time all the same.
    `outcome` is what becomes known of the copy's run only when that has ended.
    """

    server: "Server"
    run: str
    fingerprint: "Callable[[Connection], Fingerprint]"
    git_commit: str | None = None
    wait: bool = True
    outcome: str = "open"


class Copy(Struct, frozen=True, kw_only=True):
    """One copy of ours. `status` is ``available`` where it can be restored.

    `keep` forbids to delete it, `outcome` says how its run ended, ``open`` where that is not known.
    """

    provider: str
    id: str
    run: str
    taken: datetime
    status: str
    size: int | None = None
    expires: datetime | None = None
    keep: bool = False
    outcome: str = ""
    #: What becomes of it when old ones are deleted, and why: `pruning` says.
    fate: str = ""
    why: str = ""


class Provider(Protocol):
    """One way to make a copy that can be restored: a module with these functions."""

    def foreseen(self, shelf: Shelf, server: "Server", /) -> Sequence[str]:
        """Return what a person should know before one is taken; raise where it would be refused."""
        ...

    def take(self, taking: Taking) -> Manifest:
        """Take the copy; return only when it is complete and readable."""
        ...

    def found(self, shelf: Shelf) -> Sequence[Copy]:
        """Return our own copies of the target, the oldest first, and nobody else's."""
        ...

    def delete(self, shelf: Shelf, copy: Copy) -> None:
        """Delete a copy that `found` returned; refuse where it is none of ours any more."""
        ...

    def settle(self, shelf: Shelf, manifest: Manifest, outcome: str) -> None:
        """Note how the run of a copy has ended."""
        ...


def _pg_dump() -> Provider:
    from migsafe.snapshots import pg_dump

    return pg_dump


def _rds() -> Provider:
    from migsafe.snapshots import rds

    return rds


#: The registry, and the choices of the config.
PROVIDERS: Mapping[str, Callable[[], Provider]] = {"pg_dump": _pg_dump, "rds": _rds}


def provider(name: str) -> Provider:
    """Return a provider, which is loaded when it is called for."""
    return PROVIDERS[name]()
