"""Fixes as files: what a rewritten migration is called, the diff, and writing it."""

import difflib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from migsafe.errors import UsageError
from migsafe.findings import Finding
from migsafe.hazards import Unit, rewrites
from migsafe.hazards.rewrites import Rewritten
from migsafe.schema import Schema

if TYPE_CHECKING:
    from migsafe.pipeline.sources import File
    from migsafe.reports import FixInfo

#: Layouts whose migrations are one file that holds nothing but what runs, and how it is named.
_NAMES = {
    "prisma": r"(?P<version>\d+)(?P<title>_.*)",
    "numbered": r"(?P<version>\d+)(?P<title>.*?)(?P<ending>\.sql)?",
    "flyway": r"(?P<start>V)(?P<version>\d+)(?P<title>__.*?)(?P<ending>\.sql)?",
}


class Change(Struct, frozen=True, kw_only=True):
    """One file as it would be; `old` is None where it is new."""

    path: Path
    old: str | None
    new: str

    @property
    def diff(self) -> str:
        """The change as a unified diff, as git shows it."""
        old, new = (self.old or "").splitlines(True), self.new.splitlines(True)
        before = "/dev/null" if self.old is None else f"a/{self.path}"
        lines = difflib.unified_diff(old, new, before, f"b/{self.path}")
        return "".join(line if line.endswith("\n") else f"{line}\n{_UNENDED}" for line in lines)


#: What a diff says of a last line without its end.
_UNENDED = "\\ No newline at end of file\n"


def changes(
    path: Path, text: str, rewritten: Rewritten, *, layout: str | None, others: Sequence[str]
) -> list[Change] | str:
    """Return the files that a rewritten migration becomes, or why it cannot become any.

    `layout` is None for a file that belongs to no history: it stays one file, with transactions of
    its own. Elsewhere each part is a migration, for a runner puts each file into a transaction;
    `others` are the names of the history's migrations in order.
    """
    if layout is None:
        return [Change(path=path, old=text, new=rewrites.one_file(rewritten))]
    if layout not in _NAMES:
        return f"{len(rewritten.parts)} migrations are needed, which are not written for {layout}"
    if rewrites.keeps_settings(rewritten):
        return "it sets what the migrations after it would not have in their sessions"
    paths = list(_paths(path, len(rewritten.parts), layout, others))
    if len(paths) < len(rewritten.parts):
        return "the next migration leaves no room for the names of new ones"
    return [
        Change(path=place, old=None if number else text, new=rewrites.one_part(part))
        for number, (place, part) in enumerate(zip(paths, rewritten.parts, strict=True))
    ]


def _paths(path: Path, parts: int, layout: str, others: Sequence[str]) -> Iterator[Path]:
    """Yield the migration's own file, then one for each other part that sorts before the next."""
    yield path
    own = path.parent if layout == "prisma" else path
    match = re.fullmatch(_NAMES[layout], own.name)
    if match is None:
        return
    taken = _versions(own.name, layout, others)
    pieces = {"start": "", "ending": "", **match.groupdict(default="")}
    for number in range(1, parts):
        version = str(int(pieces["version"]) + number).zfill(len(pieces["version"]))
        name = f"{pieces['start']}{version}{pieces['title']}_{number + 1}{pieces['ending']}"
        title = name if layout == "prisma" else ""  # Prisma tells same versions apart by title
        if taken and (int(version), title) >= taken[0]:
            return
        yield own.with_name(name) / "migration.sql" if layout == "prisma" else own.with_name(name)


def _versions(own: str, layout: str, others: Iterable[str]) -> list[tuple[int, str]]:
    """Return what is behind a migration, as its layout's tool sorts, by version and by title."""
    found = {}
    own = own.removesuffix(".sql")
    for name in {own, *others}:
        if match := re.fullmatch(_NAMES[layout], name):
            found[name] = (int(match["version"]), name if layout == "prisma" else "")
    return sorted(key for name, key in found.items() if name != own and key >= found[own])


def write(found: Sequence[Change]) -> None:
    """Write every change, each file whole or not at all, and none where one has no place.

    Line ends, rights and the target of a link stay as they are.
    """
    for change in found:
        if change.path.exists() if change.old is None else not os.access(change.path, os.W_OK):
            raise UsageError(str(change.path), "cannot be written", "check its rights")
    try:
        for change in found:
            _write(change.path.resolve(), change.new)
    except OSError as error:
        problem = f"cannot be written: {error.strerror}"
        raise UsageError(str(change.path), problem, "look at what git says is changed") from None


def _write(path: Path, text: str) -> None:
    is_old = path.exists()
    newline = "\r\n" if is_old and b"\r\n" in path.read_bytes() else "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, "utf-8", newline=newline)
    if is_old:
        shutil.copymode(path, part)
    part.replace(path)


# ---------------------------------------------------------------- for lint


class Done(Struct, frozen=True, kw_only=True):
    """What fixing came to: the changes, by the file they belong to, and what was left."""

    by_path: dict[str, tuple[Change, ...]]
    fixed: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes in the order of the files."""
        return tuple(change for found in self.by_path.values() for change in found)


def fixed(
    files: Sequence["File"],
    units: Sequence[Unit],
    findings: Sequence[Finding],
    schema: Schema,
    names: Sequence[str] = (),
) -> Done:
    """Fix what is mechanical in the files that are reported; `schema` is moved along.

    `names` are those of the whole history, whose later migrations may not be among the files.
    """
    by_unit = {(file.name, file.path): file for file in files}
    found: dict[str, tuple[Change, ...]] = {}
    done: list[str] = []
    left: list[str] = []
    for unit in units:
        mine = findings if unit.report else ()
        rewritten = rewrites.rewrite(unit, mine, schema)
        file = by_unit[unit.name, unit.file]
        if rewritten is None:
            continue
        others = [*names, *(other.name for other in files if other.layout == file.layout)]
        made = changes(Path(file.path), file.text, rewritten, layout=file.layout, others=others)
        if isinstance(made, str):
            left.append(f"{file.path} was not fixed: {made}.")
        else:
            found[file.path] = tuple(made)
            done += rewritten.fixed
    return Done(by_path=found, fixed=tuple(dict.fromkeys(done)), left=tuple(left))


def replaced(files: Iterable["File"], done: Done) -> Iterator["File"]:
    """Yield the files as they are after the fixes, new ones in their places."""
    for file in files:
        for change in done.by_path.get(file.path, ()):
            named = change.path.parent if file.layout == "prisma" else change.path
            name = file.name if change.old is not None else named.name
            yield replace(file, name=name, path=str(change.path), text=change.new)
        if file.path not in done.by_path:
            yield file


def info(done: Done) -> tuple["FixInfo", ...]:
    """Return the changes as a report has them."""
    from migsafe.reports import FixInfo

    return tuple(
        FixInfo(file=str(change.path), new=change.old is None, diff=change.diff)
        for change in done.changes
    )


def notes(done: Done, *, written: bool) -> tuple[str, ...]:
    """Say what was fixed and what was not, and what to do with it."""
    if not done.changes:
        return ("Nothing could be fixed without a person.", *done.left)
    count = len(done.changes)
    what = f"Fixed {', '.join(done.fixed)}"
    how = "written" if written else "to write with --write"
    return (f"{what}: {count} {'file' if count == 1 else 'files'} {how}.", *done.left)
