"""Replays kept in a plain directory, which anybody may delete at any time.

A file is named by everything that its content depends on, so it is never out of date.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from migsafe import __version__, facts
from migsafe.config import ShadowConfig
from migsafe.facts import Change, Delta, Key
from migsafe.histories import Migration

if TYPE_CHECKING:
    from migsafe.replay import Replay

#: Replays that are kept; arbitrary, a history and its branches.
_KEPT = 20


class _File(msgspec.Struct):
    """A replay as it is written: facts repeat each other's keys, so each key is written once."""

    names: tuple[str, ...]
    keys: list[Key]
    initial: dict[int, str]
    final: dict[int, str]
    deltas: list[dict[int, Change]]
    server: str
    stand_ins: tuple[str, ...]
    notes: tuple[str, ...]


def digest(
    migrations: Sequence[Migration],
    server: str,
    config: ShadowConfig,
    root: Path,
    schema: str | None,
) -> str:
    """Return the SHA-256 of all that a replay depends on, 64 hex digits."""
    chain = hashlib.sha256()
    prelude = [_sha256(root / file) for file in config.prelude]
    about = [
        __version__,
        facts.VERSION,
        server,
        schema,
        config.search_path,
        config.placeholders,
        prelude,
    ]
    chain.update(msgspec.json.encode(about))
    for migration in migrations:
        text = hashlib.sha256(migration.text.encode()).hexdigest()
        chain.update(msgspec.json.encode([migration.name, text, migration.transaction]))
    return chain.hexdigest()


def _sha256(file: Path) -> str:
    """Return the SHA-256 of a file; one that cannot be read is refused when it is to be run."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


def load(folder: Path | None, name: str) -> "Replay | None":
    """Return the replay of that digest; None where there is none, or none that can be read."""
    body = read(folder, name)
    try:
        return _replay(msgspec.msgpack.decode(body, type=_File)) if body else None
    except msgspec.DecodeError:
        return None


def read(folder: Path | None, name: str) -> bytes | None:
    """Return what is kept under a digest, whole and of that digest; None where nothing is."""
    if folder is None:
        return None
    try:
        seal, body = _split((folder / name).read_bytes())
    except OSError:
        return None
    return body if seal == _seal(name, body) else None


def _split(content: bytes) -> tuple[bytes, bytes]:
    return content[:_SEAL], content[_SEAL:]


def _seal(name: str, body: bytes) -> bytes:
    """Return what says that a body is whole, and that of this digest."""
    return hashlib.sha256(name.encode() + body).digest()


_SEAL = hashlib.sha256().digest_size


def store(folder: Path | None, name: str, replay: "Replay") -> None:
    """Keep a whole replay; one that stopped depends on more than its files."""
    if not replay.stopped:
        write(folder, name, msgspec.msgpack.encode(_file(replay)))


def write(folder: Path | None, name: str, body: bytes) -> None:
    """Keep something under its digest, and the last of what was kept before."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("*\n", "utf-8")
        part = folder / f"{name}.{os.getpid()}.part"
        part.touch(mode=0o600)  # function bodies are the project's own business
        part.write_bytes(_seal(name, body) + body)
        part.rename(folder / name)
        kept = [file for file in folder.iterdir() if not file.name.startswith(".")]
        for old in sorted(kept, key=lambda file: file.stat().st_mtime)[:-_KEPT]:
            old.unlink(missing_ok=True)
    except OSError:  # a directory that cannot be written costs time, nothing else
        return


def _file(replay: "Replay") -> _File:
    numbers: dict[Key, int] = {}

    def number(key: Key) -> int:
        return numbers.setdefault(key, len(numbers))

    return _File(
        names=replay.names,
        initial={number(key): value for key, value in replay.initial.items()},
        final={number(key): value for key, value in replay.final.items()},
        deltas=[{number(key): change for key, change in d.items()} for d in replay.deltas],
        keys=list(numbers),
        server=replay.server,
        stand_ins=replay.stand_ins,
        notes=replay.notes,
    )


def _replay(kept: _File) -> "Replay":
    from migsafe.replay import Replay

    keys = kept.keys
    deltas: list[Delta] = [
        {keys[number]: change for number, change in step.items()} for step in kept.deltas
    ]
    return Replay(
        names=kept.names,
        initial={keys[number]: value for number, value in kept.initial.items()},
        final={keys[number]: value for number, value in kept.final.items()},
        deltas=tuple(deltas),
        server=kept.server,
        stand_ins=kept.stand_ins,
        notes=kept.notes,
        cached=True,
    )
