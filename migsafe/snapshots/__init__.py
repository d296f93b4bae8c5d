"""Snapshots: a restorable copy of the target, by one of several providers."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from migsafe.snapshots import pg_dump
from migsafe.snapshots.pg_dump import Snapshot

if TYPE_CHECKING:
    from migsafe.catalog import Server
    from migsafe.target import Target

__all__ = ["PROVIDERS", "Provider", "Snapshot"]


class Provider(Protocol):
    """One way to make a copy that can be restored."""

    def __call__(self, target: "Target", server: "Server", *, run: str, folder: Path) -> Snapshot:
        """Take the copy; return only when it is complete and readable."""
        ...


#: The registry, and the choices of the config and the flag.
PROVIDERS: Mapping[str, Provider] = {"pg_dump": pg_dump.take}
