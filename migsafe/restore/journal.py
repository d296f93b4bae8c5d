"""What a restore has begun and finished, in a file that outlives the process.

Every change is on the disk before the next step is taken. Holds no secret: what failed is written
through `errors.redacted`, and what a step remembers is names and numbers.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace
from ulid import ULID

from migsafe.errors import BusyError, UnreachableError, UsageError, redacted

#: Found means that the world was so without us: there is nothing to undo.
Event = Literal["begun", "done", "found", "failed", "undoing", "undone"]

#: How a restore ended; `beside` is an end from which `--swap` goes on.
Outcome = Literal["beside", "differs", "swapped", "undone"]


class Entry(Struct, frozen=True, kw_only=True):
    """One line: what became of a step. `error` is what made it fail."""

    step: str
    event: Event
    at: datetime
    error: str | None = None


class Record(Struct, kw_only=True):
    """The file. `key` names the database that is restored, however its URL is written.

    `memory` is what steps must know after a crash, by a name of their own.
    """

    version: int = 1
    id: str
    run: str
    provider: str
    key: str
    place: str
    started: datetime
    ended: datetime | None = None
    outcome: Outcome | None = None
    entries: list[Entry] = field(default_factory=list)
    memory: dict[str, Any] = field(default_factory=dict)


class Journal(Struct):
    """One restore; on the disk where it is `kept`, not where it is only shown."""

    path: Path
    record: Record
    kept: bool = True

    def write(self, step: str, event: Event, *, error: str | None = None) -> None:
        """Append a line, and reopen a restore that had ended."""
        text = redacted(error) if error else None
        entry = Entry(step=step, event=event, at=_now(), error=text)
        self._save(entries=[*self.record.entries, entry], ended=None, outcome=None)

    def finish(self, step: str) -> None:
        """Say that a step is done; found where it was never begun."""
        self.write(step, "done" if self.owed(step) else "found")

    def end(self, outcome: Outcome) -> None:
        """Say how the restore ended."""
        self._save(ended=_now(), outcome=outcome)

    def remember(self, name: str, value: Any) -> None:
        """Keep what a step must know after a crash; it is on the disk when this returns."""
        self._save(memory={**self.record.memory, name: value})

    def finished(self, step: str) -> bool:
        """Tell whether nothing is left to do of a step."""
        return self._last(step) in ("done", "found")

    def owed(self, step: str) -> bool:
        """Tell whether a step was begun, so that an undo has to take it back."""
        return self._last(step) in ("begun", "done", "failed", "undoing")

    @property
    def midway(self) -> bool:
        """Tell whether something was begun, and neither finished nor taken back as a whole."""
        steps = {entry.step for entry in self.record.entries}
        return self.record.outcome is None and any(self.owed(step) for step in steps)

    def _last(self, step: str) -> Event | None:
        """Return the last event of a step; a failure of its undo leaves it to be undone."""
        events = [entry.event for entry in self.record.entries if entry.step == step]
        return events[-1] if events else None

    def _save(self, **changes: Any) -> None:
        """Change the record once the file has it: nothing counts that a crash would forget."""
        changed = replace(self.record, **changes)
        if self.kept:
            with _explained(self.path):
                _write(self.path, changed)
        for name, value in changes.items():
            if name == "memory":  # steps hold on to the mapping itself
                self.record.memory.update(value)
            else:
                setattr(self.record, name, value)


def fresh(folder: Path, *, run: str, provider: str, key: str, place: str) -> Journal:
    """Return the journal of a new restore that nothing is written of."""
    name = str(ULID())
    record = Record(id=name, run=run, provider=provider, key=key, place=place, started=_now())
    return Journal(folder / f"{name}.json", record, kept=False)


def begin(folder: Path, *, run: str, provider: str, key: str, place: str) -> Journal:
    """Start the journal of a new restore on the disk."""
    _made(folder)
    journal = fresh(folder, run=run, provider=provider, key=key, place=place)
    journal.kept = True
    journal._save()
    return journal


def _write(path: Path, record: Record) -> None:
    """Replace the file as a whole: after a crash it is the old one or the new one."""
    import msgspec

    part = path.with_suffix(".part")
    text = msgspec.json.format(msgspec.json.encode(record), indent=2)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(text + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
    _sync(path.parent)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say what keeps a journal from being written; without one nothing is changed."""
    try:
        yield
    except OSError as error:
        problem = f"the journal cannot be written: {error.strerror}"
        raise UnreachableError(str(path), problem, "mend that, then go on") from None


def load(path: Path) -> Journal:
    """Read a journal back; raise UsageError where the file is none."""
    import msgspec

    try:
        return Journal(path, msgspec.json.decode(path.read_bytes(), type=Record))
    except (OSError, msgspec.DecodeError):
        raise UsageError(str(path), "is no journal of a restore", "look at it by hand") from None


def journals(folder: Path) -> list[Journal]:
    """Read all journals, the newest first."""
    return [load(path) for path in sorted(folder.glob("*.json"), reverse=True)]


@contextmanager
def held(folder: Path, key: str) -> Iterator[None]:
    """Keep other processes of this machine from restoring the same database; raise BusyError.

    The kernel gives the lock back when the process ends, however it ends.
    """
    lock = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.lock"
    with _explained(lock):
        _made(folder)
        stream = lock.open("w")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                key, "another process is restoring it", "wait for its end, then look again"
            ) from None
        yield


def _made(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder.parent / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", "utf-8")


def _sync(folder: Path) -> None:
    """Put a rename on the disk; a file system that cannot sync a directory needs no asking."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _now() -> datetime:
    return datetime.now(UTC)
