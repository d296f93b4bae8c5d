"""How the tests' servers cost little: in memory, without a background, initdb once a process."""

import os
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from migsafe.shadow import folders, servers

#: Where Linux keeps files in memory.
_MEMORY = Path("/dev/shm")

#: Bytes in which the servers of a parallel run find room, with a wide margin.
_ROOM = 4 * 1024**3

#: Nothing in the background, no compiler for small queries, no more WAL than memory has room for.
_SETTINGS = {"autovacuum": "off", "jit": "off", "max_wal_size": "256MB"}


def live_in_memory() -> None:
    """Make temporary files in memory, all but pytest's, unless TMPDIR says where.

    A database is 300 files. To find each an inode, ext4 without a journal walks past all that were
    deleted in the last seconds: half of the time of all tests.
    """
    if "TMPDIR" not in os.environ and _serves(_MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


def _serves(place: Path) -> bool:
    """Tell whether there is room, and programs may be run from there."""
    if not os.access(place, os.W_OK | os.X_OK):
        return False
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize >= _ROOM and not found.f_flag & os.ST_NOEXEC


@contextmanager
def embedded() -> Iterator[str]:
    """Start the server of a session and yield the URL of its database ``postgres``."""
    with servers.started(servers.embedded(), _SETTINGS) as url:
        yield url


@contextmanager
def initialized_once() -> Iterator[None]:
    """Copy what initdb made before, where this process runs the same initdb again."""
    initdb, made = servers._initdb, dict[tuple[Path, str | None], Path]()

    def copy(programs: Path, data: Path, user: str | None) -> None:
        if (programs, user) not in made:
            kept = servers._directory(folder / uuid.uuid4().hex, user)
            initdb(programs, kept, user)
            for fork in (*kept.glob("base/*/*_fsm"), *kept.glob("base/*/*_vm")):
                fork.unlink()  # a quarter of what a database is copied from; nothing needs them
            made[programs, user] = kept
        subprocess.run(["cp", "-a", f"{made[programs, user]}/.", data], check=True)

    with folders.opened(servers._home("any")) as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(servers, "_initdb", copy)
        yield
