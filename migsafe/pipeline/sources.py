"""Which files lint reads: those named, those that differ from a git revision, or a history."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from migsafe.config import Settings
from migsafe.errors import UsageError

if TYPE_CHECKING:
    from migsafe.histories import Directory, Migration


class Asked(Struct, frozen=True, kw_only=True):
    """What the command line wants linted; without files and revision, all of the history.

    `live` says that the target is read, for what is pending and for the sizes of its tables.
    `transaction` says of files whose runner is not known whether it wraps them: auto, yes or no.
    """

    files: tuple[str, ...] = ()
    stdin_name: str = "stdin.sql"
    changed_since: str | None = None
    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    version: int | None = None
    transaction: str | None = None
    live: bool = False
    fix: bool = False
    write: bool = False


class File(Struct, frozen=True, kw_only=True):
    """One file to walk. `wrapped` says what its runner does, None where nobody knows.

    `layout` is that of its history, None where it belongs to none. `migration` is there where the
    file is not SQL, so that `text` is what it sends, or has a problem.
    """

    name: str
    path: str
    text: str
    wrapped: bool | None = None
    layout: str | None = None
    report: bool = True
    migration: "Migration | None" = None


def files_of(settings: Settings, asked: Asked, directory: "Directory | None") -> Iterator[File]:
    """Yield the files to walk, with the migrations before them where their history is known."""
    wanted = None
    if asked.files or asked.changed_since:
        kind = ".py" if directory and directory.kind == "alembic" else ".sql"
        wanted = list(_named(settings, asked, kind))
    if directory is None:
        if wanted is None:
            raise UsageError("lint", "there is nothing to lint", "name files, or --migrations")
        yield from (_loose(name, asked) for name in wanted)
        return
    yield from _of_history(directory, wanted, asked)


def history_of(settings: Settings, asked: Asked) -> "Directory | None":
    """Return the history: the configured one, else the one that the first file lies in."""
    from migsafe import histories

    first = Path(asked.files[0]) if asked.files else None
    if first and first.is_dir() and len(asked.files) == 1:
        return histories.load(first, settings.history)
    if asked.files == ("-",):
        return None
    if settings.migrations is None and first and first.is_file():
        folder = first.parent.parent if first.name in _NAMELESS else first.parent
        return histories.load(folder, settings.history) if _is_history(folder) else None
    if settings.migrations is None:
        return None
    return histories.load(settings.migrations, settings.history, settings.root)


#: Files that are called by their directories.
_NAMELESS = ("migration.sql", "up.sql")


def _is_history(folder: Path) -> bool:
    from migsafe import histories

    return len(set(histories.readings(folder)) - {"alembic"}) == 1


def _named(settings: Settings, asked: Asked, kind: str) -> Iterator[str]:
    for name in dict.fromkeys(asked.files):
        path = Path(name)
        if name == "-" or path.is_file():
            yield name
        elif path.is_dir():
            yield from (str(file) for file in sorted(path.rglob(f"*{kind}")))
        else:
            raise UsageError(name, "there is no such file", "check the path")
    if asked.changed_since:
        yield from _changed(settings, asked.changed_since, kind)


def _changed(settings: Settings, revision: str, kind: str) -> Iterator[str]:
    """Yield files of a kind that differ from where this branch left `revision`, new ones too."""
    root = settings.migrations or settings.root
    base = _git(settings.root, "merge-base", revision, "HEAD").strip()
    lists = (
        ("diff", "--name-only", "--relative", "--diff-filter=d", "-z", base, "--"),
        ("ls-files", "--others", "--exclude-standard", "-z", "--"),
    )
    for arguments in lists:
        for name in _git(settings.root, *arguments, str(root.resolve())).split("\0"):
            if name.endswith(kind):
                yield str(settings.root / name)


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        raise UsageError("--changed-since", "git cannot be run", "install it") from None
    if done.returncode:
        problem = " ".join(done.stderr.split()) or "git does not know that revision here"
        hint = "name a revision that is fetched; a shallow clone has none"
        raise UsageError("--changed-since", problem, hint)
    return done.stdout


def apart(files: Iterable[File]) -> list[File]:
    """Call files that share a name by their paths, so that none answers for another."""
    found = list({file.path: file for file in files}.values())
    count = Counter(file.name for file in found)
    return [replace(file, name=file.path) if count[file.name] > 1 else file for file in found]


def _loose(name: str, asked: Asked) -> File:
    if name == "-":
        return File(name=asked.stdin_name, path=asked.stdin_name, text=sys.stdin.read())
    path = Path(name)
    if path.suffix == ".py":
        raise UsageError(name, "is Python, not SQL", "name its history: --migrations DIRECTORY")
    own = path.parent.name if path.name in _NAMELESS else path.name
    return File(name=own, path=name, text=_read(path))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise UsageError(str(path), "cannot be read as UTF-8", "save it as UTF-8") from None


def _of_history(
    directory: "Directory", wanted: Sequence[str] | None, asked: Asked
) -> Iterator[File]:
    """Yield the migrations up to the last wanted one, then wanted files that are none of them."""
    paths = None if wanted is None else {Path(name).resolve(): name for name in wanted}
    own = [migration.path.resolve() for migration in directory.migrations]
    last = len(own)
    if paths is not None:
        last = max((number for number, path in enumerate(own, start=1) if path in paths), default=0)
    for migration, path in zip(directory.migrations[:last], own, strict=False):
        yield File(
            name=migration.name,
            path=str(migration.path) if paths is None else paths.get(path, str(migration.path)),
            text=migration.text,
            wrapped=migration.transaction,
            layout=directory.layout or directory.kind,
            report=paths is None or path in paths,
            migration=migration if directory.kind == "alembic" or migration.problem else None,
        )
    for path, name in (paths or {}).items():
        if path not in own and not (directory.kind == "alembic" and path.suffix == ".py"):
            yield _loose(name, asked)
