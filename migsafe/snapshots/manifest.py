"""Everything that a restore needs, written down when the snapshot is taken.

Made of what others have read; kept as JSON in the ledger and in a file that only its owner reads.
"""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from migsafe.errors import UnreachableError, UsageError

#: Begins the key of every tag that migsafe writes.
TAG = "migsafe:"

#: The tag of a restored database: the resource ids of those whose name it was made for.
WAS = f"{TAG}was"

#: What AWS refuses in the value of a tag: anything but letters, digits, blanks and these.
_NOT_IN_TAGS = re.compile(r"[^\w .:/=+@-]")


class Fingerprint(Struct, frozen=True, kw_only=True):
    """What the database held. `counts` are rows by table, exact but for those of `estimated`.

    `exact` says that no table is estimated. `facts` is the SHA-256 of all facts of the schema,
    `migrations` that of the rows of the history's own table. `later` are the counts that others
    had changed when the snapshot was complete, `between` the least and the most that a table may
    have held meanwhile: what came and went shows in neither count.
    """

    facts: str
    fact_count: int
    counts: Mapping[str, int]
    exact: bool
    estimated: tuple[str, ...] = ()
    later: Mapping[str, int] = field(default_factory=dict)
    between: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    migrations: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[str, ...] = ()


class Manifest(Struct, frozen=True, kw_only=True):
    """One snapshot. `moment` is the target's own clock just before it, for a point-in-time restore.

    `place` is the target as ``host:port/database``; `source` what the provider knows of the
    database (AWS: the whole descriptions), `copy` of the snapshot itself, `requests` the exact
    calls that restore it, by operation name. `complete` is False where nobody waited for it.
    Holds no password and no row.
    """

    version: int = 1
    run: str
    provider: str
    id: str
    taken: datetime
    moment: datetime
    place: str
    database: str
    server_version: str
    size: int | None = None
    sha256: str | None = None
    restorable_from: datetime | None = None
    restorable_to: datetime | None = None
    git_commit: str | None = None
    complete: bool = True
    fingerprint: Fingerprint
    source: Mapping[str, Any] = field(default_factory=dict)
    copy: Mapping[str, Any] = field(default_factory=dict)
    requests: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Snapshot(Struct, frozen=True, kw_only=True):
    """A restorable copy. `id` is a file or a name, `size` is in bytes, `restore` a command."""

    provider: str
    id: str
    taken: datetime
    size: int | None
    sha256: str | None
    restore: str


def snapshot(manifest: Manifest) -> Snapshot:
    """Build what a report says of a snapshot."""
    return Snapshot(
        provider=manifest.provider,
        id=manifest.id,
        taken=manifest.taken,
        size=manifest.size,
        sha256=manifest.sha256,
        restore=f"migsafe restore {manifest.run}",
    )


def encode(manifest: Manifest) -> str:
    """Return the manifest as JSON, keys in order."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(manifest), indent=2).decode()


def parse(text: str | bytes, place: str) -> Manifest:
    """Read a manifest back; raise UsageError where it is none, or of a later version."""
    import msgspec

    try:
        found = msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UsageError(place, "is no manifest of a snapshot", "name another one") from None
    if found.version != 1:
        problem = f"is a manifest of version {found.version}, which this migsafe does not know"
        raise UsageError(place, problem, "take a newer migsafe")
    return found


def load(path: Path) -> Manifest:
    """Read the manifest in a file."""
    try:
        return parse(path.read_bytes(), str(path))
    except OSError as error:
        raise UsageError(str(path), f"cannot be read: {error.strerror}", "check it") from None


def files(folder: Path) -> Iterator[Path]:
    """Yield the manifests in a folder, by run, which is by age."""
    yield from sorted(folder.glob("*.json")) if folder.is_dir() else ()


def write(folder: Path, manifest: Manifest) -> Path:
    """Keep the manifest in a folder as RUN.json, whole or not at all, for its owner alone."""
    file = folder / f"{manifest.run}.json"
    part = file.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as stream:
            stream.write(encode(manifest) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        part.rename(file)
    except OSError as error:
        problem = f"{file} cannot be written: {error.strerror}"
        raise UnreachableError("snapshot", problem, "nothing was applied") from None
    return file


def tags(
    *, run: str, target: str, resource_id: str, created: datetime, keep: float, outcome: str
) -> dict[str, str]:
    """Build the tags by which a snapshot is found again, and known to be ours; `keep` seconds."""
    said = {
        "managed": "true",
        "run": run,
        "target": target,
        "resource-id": resource_id,
        "created": _moment(created),
        "expires": _moment(created + timedelta(seconds=keep)),
        "keep": "false",
        "outcome": outcome,
    }
    return {f"{TAG}{key}": tag(value) for key, value in said.items()}


def tag(value: str) -> str:
    """Return what AWS takes as the value of a tag; a tag holds no JSON."""
    return _NOT_IN_TAGS.sub("-", value)[:256]


def _moment(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
