"""Snapshots by pg_dump: a directory with the dump, the roles, the facts and their checksums.

The dump and what the manifest says of it are of one moment. A directory that is not complete has
another name, and counts as nothing.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field, structs

from migsafe import config
from migsafe.errors import UnreachableError
from migsafe.snapshots import Copy, Shelf, Taking, manifest, programs
from migsafe.snapshots.manifest import Fingerprint, Manifest
from migsafe.snapshots.programs import FailedError, Programs

if TYPE_CHECKING:
    from migsafe.catalog import Server
    from migsafe.target import Session

#: What lies in the directory of a snapshot. `SUMS` is what `sha256sum -c` reads; `DATABASE` is not
#: in the manifest because applications keep secrets in the settings of databases.
DUMP, GLOBALS, FACTS, SUMS = "dump", "globals.sql", "facts.json", "SHA256SUMS"
DATABASE = "database.json"

#: What the name of a directory ends in as long as it is not complete.
_PART = ".part"

#: Bytes of a database that one process dumps into one file; a larger one is dumped by several,
#: which takes a directory. Arbitrary.
_SMALL = 1024**3

#: Processes that dump or restore together, at most; each is a session of the server. Arbitrary.
_JOBS = 4

#: Seconds between two messages about how far it is.
_SAID = 10.0

#: Of the session that lends its snapshot, which is idle while pg_dump works. A policy would hide
#: rows; so PostgreSQL refuses the question instead.
_LASTING = {
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
    "row_security": "off",
}

#: No gateway on the way drops the session that lends its snapshot while it waits for pg_dump.
_ALIVE = {"keepalives_idle": "60"}


class _Dump(Struct, kw_only=True):
    """One snapshot while it is taken. `until` is a time of time.monotonic()."""

    taking: Taking
    tools: Programs
    part: Path
    until: float
    notes: list[str] = field(default_factory=list)

    def run(self, *command: str | Path) -> None:
        """Run a program to its end."""
        env = programs.environment(self.taking.target)
        watch = _Progress(self.taking.notify, self.part)
        programs.run(command, env=env, until=self.until, watch=watch)

    def note(self, text: str) -> None:
        """Tell a person something, now and in the manifest."""
        self.notes.append(text)
        self.taking.notify(text)


class _Progress(Struct):
    """Says from time to time how much is written."""

    notify: Callable[[str], None]
    part: Path
    said: float = field(default_factory=time.monotonic)

    def __call__(self) -> None:
        if time.monotonic() - self.said >= _SAID:
            self.said = time.monotonic()
            self.notify(f"dumping: {_megabytes(sum(_sizes(self.part)))} written")


def foreseen(_: Shelf, server: Server) -> Sequence[str]:
    """Return nothing; raise UnreachableError where there is no program to dump with."""
    programs.find(int(server.version.split(".")[0]))
    return ()


def take(taking: Taking) -> Manifest:
    """Dump the database and check that the dump can be read back."""
    from migsafe import target

    tools = programs.find(int(taking.server.version.split(".")[0]))
    seconds = config.duration(taking.env.snapshot_timeout, "snapshot_timeout")
    with _explained(taking), _part(taking) as part, target.translated(taking.target):
        dump = _Dump(taking=taking, tools=tools, part=part, until=time.monotonic() + seconds)
        known = _dumped(dump, seconds)
        _dump_globals(dump)
        size, digest = _summed(part)
        file = _completed(part)
    return structs.replace(known, id=str(file), size=size, sha256=digest, notes=tuple(dump.notes))


def jobs(size: int) -> int:
    """Return how many processes dump or restore a database of so many bytes."""
    return 1 if size < _SMALL else min(_JOBS, os.cpu_count() or 1)


def _dumped(dump: _Dump, seconds: float) -> Manifest:
    """Dump the database, and read what it holds in the same snapshot."""
    from migsafe import catalog
    from migsafe.snapshots import contents

    with _snapshot(dump.taking, seconds) as (session, moment, name):
        size = int(catalog.one(session, "SELECT pg_database_size(current_database())")[0])
        _warn_of_room(dump, size)
        known = _fingerprint(dump, session)
        source = _source(dump, session)
        before = contents.sequences(session)
        many = jobs(size)
        _dump(dump, session, name, many)
        # A sequence has no versions: the dump has a number between the two.
        after = contents.sequences(session)
    source["sequences"] = {one: [before[one], after.get(one, before[one])] for one in before}
    taking, server = dump.taking, dump.taking.server
    return Manifest(
        run=taking.run,
        provider="pg_dump",
        id="",
        taken=moment,
        moment=moment,
        place=taking.target.place,
        database=server.database,
        server_version=server.version,
        git_commit=taking.git_commit,
        fingerprint=known,
        source=source,
        copy={"jobs": many, "program": dump.tools.major, "bytes": size},
    )


@contextmanager
def _snapshot(taking: Taking, seconds: float) -> Iterator[tuple[Session, datetime, str]]:
    """Yield a session in a snapshot that others can share, its moment and its name."""
    from migsafe import catalog, target
    from migsafe.snapshots import contents

    params = _ALIVE | dict(taking.target.params)
    with target.connect(
        dataclasses.replace(taking.target, params=params), read_only=True
    ) as session:
        session.patience = seconds
        settings = _LASTING | {"statement_timeout": f"{seconds:.0f}s"}
        session.execute(
            """SELECT pg_catalog.set_config(name, value, false)
               FROM unnest(%s::text[], %s::text[]) AS _(name, value)
               WHERE current_setting(name, true) IS NOT NULL""",
            [list(settings), list(settings.values())],
        )
        taking.notify("waiting for the tables")
        contents.lock(session, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # The transaction began before the locks; what it sees came after them.
        asked = "SELECT statement_timestamp(), pg_catalog.pg_export_snapshot()"
        moment, name = catalog.one(session, asked)
        yield session, moment, str(name)


def _fingerprint(dump: _Dump, session: Session) -> Fingerprint:
    """Read the fingerprint, and count what it had no time for: the dump reads that anyway."""
    from migsafe.catalog import schema
    from migsafe.snapshots import contents

    dump.taking.notify("counting the rows")
    known = dump.taking.fingerprint(session)
    rest = contents.counts(session, known.estimated) if known.estimated else {}
    with session.transaction(force_rollback=True):
        facts = schema.facts(schema.read(session))
    _write(dump.part / FACTS, [[*key, value] for key, value in sorted(facts.items())])
    counted = {name: rest[name] for name in known.estimated if name in rest}
    left = tuple(name for name in known.estimated if name not in rest)
    return structs.replace(
        known, counts={**known.counts, **counted}, exact=not left, estimated=left, later={}
    )


def _source(dump: _Dump, session: Session) -> dict[str, Any]:
    """Read what a restore compares or makes anew, and the fingerprint does not hold."""
    from migsafe.catalog import databases
    from migsafe.snapshots import contents

    whole = databases.read(session, dump.taking.server.database)
    _write(dump.part / DATABASE, structs.asdict(whole))
    return {
        "cluster": databases.cluster(session),
        "counts": contents.counts(session),
        "objects": contents.objects(session),
        "roles": contents.roles(session, whole.settings),
    }


def _dump(dump: _Dump, session: Session, snapshot: str, many: int) -> None:
    """Dump what a snapshot shows, and check that the dump can be read back."""
    shape = ["--format=custom"] if many == 1 else ["--format=directory", f"--jobs={many}"]
    dump.taking.notify("dumping")
    dump.run(
        dump.tools.dump,
        *shape,
        "--no-password",
        f"--snapshot={snapshot}",
        f"--file={dump.part / DUMP}",
        programs.address(dump.taking.target, session),
    )
    dump.run(dump.tools.restore, "--list", dump.part / DUMP)


def _dump_globals(dump: _Dump) -> None:
    """Dump the roles without their passwords, which only superusers may read, where that works."""
    from psycopg.conninfo import make_conninfo

    if dump.tools.globals is None:
        dump.note("the roles are not in the snapshot: there is no pg_dumpall beside pg_dump")
        return
    known = {k: v for k, v in dump.taking.target.params.items() if k not in ("password", "dbname")}
    try:
        dump.run(
            dump.tools.globals,
            *("--globals-only", "--no-role-passwords", "--no-password"),
            f"--file={dump.part / GLOBALS}",
            f"--dbname={make_conninfo(**known)}",
            *_through(dump.taking.server.database),
        )
    except FailedError as error:
        (dump.part / GLOBALS).unlink(missing_ok=True)
        dump.note(f"the roles are not in the snapshot: pg_dumpall failed: {error.first}")


def _through(database: str) -> list[str]:
    """Have pg_dumpall ask where we may connect; it takes some names for connection strings."""
    return [] if "=" in database or "://" in database else [f"--database={database}"]


def _warn_of_room(dump: _Dump, size: int) -> None:
    """Warn where the dump may not fit; compressed, it is mostly smaller than the database."""
    free = shutil.disk_usage(dump.part).free
    if free < size:
        dump.note(
            f"the snapshot may not fit: {_megabytes(free)} are free in {dump.part.parent}, "
            f"the database has {_megabytes(size)}"
        )


@contextmanager
def _explained(taking: Taking) -> Iterator[None]:
    """Turn what stops a dump into UnreachableError."""
    try:
        yield
    except FailedError as error:
        problem, remedy = f"{error.program} failed: {error.first}", "nothing was applied"
    except TimeoutError as error:
        problem = f"{error}: {taking.env.snapshot_timeout}"
        remedy = "nothing was applied; --snapshot-timeout gives it more"
    except OSError as error:
        problem = f"{error.filename or taking.folder} cannot be written: {error.strerror}"
        remedy = "nothing was applied"
    else:
        return
    raise UnreachableError("snapshot", problem, remedy) from None


@contextmanager
def _part(taking: Taking) -> Iterator[Path]:
    """Make the directory of a snapshot, and remove it where it is not completed."""
    taking.folder.mkdir(parents=True, exist_ok=True)
    _sweep(taking.folder)
    part = taking.folder / f"{taking.server.database.replace('/', '_')}-{taking.run}{_PART}"
    part.mkdir(mode=0o700)
    lock = os.open(part, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _write_text(part / ".gitignore", "*\n")  # rows of patients in a repository stay there
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        os.close(lock)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left: the kernel gave their locks back."""
    for part in folder.glob(f"*{_PART}"):
        with suppress(OSError):
            lock = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(part)
            finally:
                os.close(lock)


def _completed(part: Path) -> Path:
    """Give a directory the name of one that is complete, and see that the disk has it."""
    file = part.with_name(part.name.removesuffix(_PART))
    part.rename(file)
    for folder in (file, file.parent):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return file


def _summed(part: Path) -> tuple[int, str]:
    """Write the checksums of all files; return their size, and the checksum of the checksums."""
    sums = "".join(f"{digest}  {name}\n" for name, digest in checksums(part))
    _write_text(part / SUMS, sums)
    return sum(_sizes(part)), hashlib.sha256(sums.encode()).hexdigest()


def checksums(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield name and SHA-256 of every file of a snapshot but that of the checksums, by name."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix()
        if name != SUMS:
            with file.open("rb") as stream:
                yield name, hashlib.file_digest(stream, "sha256").hexdigest()


def _sizes(folder: Path) -> Iterator[int]:
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):
            yield file.stat().st_size if file.is_file() else 0


def _write(file: Path, value: Any) -> None:
    import msgspec

    _write_text(file, msgspec.json.encode(value).decode())


def _write_text(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def _megabytes(size: int) -> str:
    return f"{size / 10**6:,.1f} MB"


def located(folder: Path, known: Manifest) -> Path:
    """Return the directory of a snapshot: where it was taken, or of that name in `folder`."""
    there = Path(known.id)
    return there if there.is_dir() else folder / there.name


def found(shelf: Shelf) -> Sequence[Copy]:
    """Return the dumps of the target whose manifests are in the folder, the oldest first."""
    keep = timedelta(seconds=config.duration(shelf.env.snapshot_keep, "snapshot_keep"))
    return [
        Copy(
            provider="pg_dump",
            id=one.id,
            run=one.run,
            taken=one.taken,
            status="available" if (located(shelf.folder, one) / SUMS).is_file() else "missing",
            size=one.size,
            expires=one.taken + keep,
        )
        for one in map(manifest.load, manifest.files(shelf.folder))
        if one.provider == "pg_dump" and one.place == shelf.target.place
    ]


def delete(shelf: Shelf, copy: Copy) -> None:
    """Delete the dump, then its manifest; a half deleted one has the name of an incomplete one."""
    file = shelf.folder / Path(copy.id).name
    try:
        if file.is_dir():
            shutil.rmtree(file.rename(file.with_name(f"{file.name}{_PART}")))
        (shelf.folder / f"{copy.run}.json").unlink(missing_ok=True)
    except OSError as error:
        place, said = str(file), f"cannot be deleted: {error.strerror}"
        raise UnreachableError(place, said, "prune again") from None


def settle(shelf: Shelf, manifest: Manifest, outcome: str) -> None:
    """Note nothing: the ledger and the reports say how a run has ended."""
