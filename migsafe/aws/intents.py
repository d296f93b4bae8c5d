"""What a run is about to open to itself, on disk before it does; locked for as long as it lives.

The kernel takes the lock away with the process, however it ends. A file that nobody locks is what
a run left behind.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from migsafe.errors import UnreachableError


class Intent(Struct, frozen=True, kw_only=True):
    """One rule of a security group. Times are ISO 8601 in UTC; `rule` is None until it is known."""

    run: str
    region: str
    account: str
    group: str
    cidr: str
    port: int
    created: str
    expires: str
    rule: str | None = None


class Record:
    """The file of an intent, while its run lives."""

    def __init__(self, folder: Path, intent: Intent) -> None:
        self.intent = intent
        self.path = folder / f"{intent.run}.json"
        self._locks = ExitStack()

    def write(self, rule: str | None = None) -> None:
        """Replace the file durably; whoever looks sees it whole, and locked."""
        self.intent = replace(self.intent, rule=rule)
        part = self.path.with_suffix(".part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            (self.path.parent.parent / ".gitignore").write_text("*\n", "utf-8")
            file = self._locks.enter_context(os.fdopen(_created(part), "wb"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody else knows of it yet
            file.write(msgspec.json.encode(self.intent))
            file.flush()
            os.fsync(file.fileno())
            part.rename(self.path)
            _sync(self.path.parent)
        except OSError as error:
            problem = f"what is about to be opened cannot be written down: {error.strerror}"
            raise UnreachableError(str(self.path), problem, "nothing was opened") from None

    def forget(self) -> None:
        """Remove the file: nothing of it is open any more."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Give up the lock; the file of an earlier write was locked until now, too."""
        self._locks.close()


def _created(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def _sync(folder: Path) -> None:
    """Make a rename survive the machine."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def recorded(folder: Path, intent: Intent) -> Iterator[Record]:
    """Write an intent down, and hold its lock until the block ends."""
    record = Record(folder, intent)
    try:
        record.write()
        yield record
    finally:
        record.close()


@contextmanager
def abandoned(folder: Path) -> Iterator[dict[Path, Intent]]:
    """Yield what dead runs left, by its file; nobody else has it until the block ends."""
    with ExitStack() as stack:
        found = {}
        for path in sorted(folder.glob("*.json")):
            with suppress(FileNotFoundError, BlockingIOError):  # swept by another, or alive
                file = stack.enter_context(path.open("rb"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if intent := _read(file):
                    found[path] = intent
        yield found


def _read(file: IO[bytes]) -> Intent | None:
    try:
        return msgspec.json.decode(file.read(), type=Intent)
    except msgspec.DecodeError:
        return None  # not written by us: what is ours appears whole


def regions(folder: Path) -> set[str]:
    """Return where the intents of all runs are, alive or dead."""
    found = set()
    for path in folder.glob("*.json"):
        with suppress(FileNotFoundError), path.open("rb") as file:
            if intent := _read(file):
                found.add(intent.region)
    return found
