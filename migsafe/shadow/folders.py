"""Directories for throw-away servers, and what is left of those whose owner was killed.

The owner holds a lock on its directory. The kernel lets go of it when the process ends, however it
ends, so a lock that is free means that nobody will come back. Touches no directory of another user
and follows no symbolic link.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "migsafe-shadow-"


@contextmanager
def opened(home: Path) -> Iterator[Path]:
    """Make a directory in `home` and remove it in the end."""
    folder, lock = _claimed(home)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _claimed(home: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=home))
        lock = _locked(folder)
        if lock is not None:
            return folder, lock


def _locked(folder: Path) -> int | None:
    """Lock a directory of this user; None where it is another's, or a sweep was quicker."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(lock)
        if os.path.samestat(found, folder.lstat()) and found.st_uid == os.geteuid():
            return lock
    os.close(lock)
    return None


def sweep(home: Path, stop: Callable[[Path], None]) -> None:
    """Remove the directories in `home` whose owner is gone; `stop` ends what runs in one."""
    for folder in home.glob(f"{PREFIX}*"):
        with suppress(OSError):
            _remove(folder, stop)


def _remove(folder: Path, stop: Callable[[Path], None]) -> None:
    lock = _locked(folder)
    if lock is None:
        return
    try:
        stop(folder)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
