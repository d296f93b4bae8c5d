"""Directories of plain SQL migrations, in the layouts of the tools that people use.

A layout is found by looking; where two fit, that is an error that names both. A file's down part
is never run. Reads files only.
"""

import errno
import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path

from msgspec import Struct

from migsafe import findings
from migsafe.errors import UsageError
from migsafe.findings import Finding, Severity
from migsafe.histories.migration import (
    Directory,
    Migration,
    check_name,
    distinct,
    is_utf_8,
    sha256,
    text_of,
)

#: The classes of a directory's own files; see `_class`.
Classes = Set[str | None]


class Layout(Struct, frozen=True, kw_only=True):
    """How one family of tools lays out a directory; `read` returns migrations in run order."""

    name: str
    tools: str
    fits: Callable[[Path, Classes], bool]
    read: Callable[[Path], list[Migration]]
    #: Whether the tools refuse two files of one version; where they differ, their table decides.
    versions: bool = False


_FLYWAY = re.compile(
    r"(?P<kind>R(?=__)|[VUB](?=\d))(?P<version>[\d._]*?)__(?P<description>.+)\.sql"
)
_NUMBERED = re.compile(r"(?P<version>\d+)(?:[._-].*)?\.sql")
_SECTION = re.compile(
    r"^--\s*(?:\+(?P<tool>goose|migrate)\s+(?P<a>up|down)|(?P<dbmate>migrate):(?P<b>up|down))\b"
    r"(?P<rest>.*)$",
    re.IGNORECASE | re.MULTILINE,
)

#: A numbered file whose marks are unknown: a migration of its directory, with a problem.
_UNREADABLE = "unreadable"


#: golang-migrate takes any ending behind the direction (source/parse.go), we take .sql.
_SQL = re.compile(r".*\.sql|\d+_.*\.up\..+", re.IGNORECASE)


def _files(path: Path) -> list[Path]:
    """Return what is meant as a file of SQL, be it a link to nowhere or named in capitals."""
    with os.scandir(path) as entries:  # unlike Path, it asks nothing more of the file system
        return [path / e.name for e in entries if _SQL.fullmatch(e.name) and not e.is_dir()]


def _files_below(path: Path) -> Iterator[Path]:
    """Yield such files as Flyway finds them: through links, but in no hidden directory."""
    walked: set[tuple[int, int]] = set()
    for folder, children, names in os.walk(path, followlinks=True, onerror=_shut):
        inode = os.stat(folder)  # noqa: PTH116  # as os.walk has it
        if (inode.st_dev, inode.st_ino) in walked:  # a link to a directory above
            children.clear()
            continue
        walked.add((inode.st_dev, inode.st_ino))
        children[:] = [name for name in children if not name.startswith(".")]
        for child in (*children, *names):
            check_name(child, Path(folder))
        yield from (Path(folder, name) for name in names if _SQL.fullmatch(name))


def _shut(error: OSError) -> None:
    raise error


def _is_down(name: str) -> bool:
    return name.lower().endswith(".down.sql")


def _class(file: Path, raw: bytes | None = None) -> str | None:
    """Return the layout that a file's name and section marks belong to; None for no layout.

    `raw` is its content, None where that has not been read.
    """
    if _FLYWAY.fullmatch(file.name):
        return "flyway"
    if file.name.endswith(".up.sql") or _is_down(file.name):
        return "up-files"
    if not _NUMBERED.fullmatch(file.name):
        return None
    raw = _readable(file) if raw is None else raw
    if raw is None:
        return _UNREADABLE
    mark = _SECTION.search(raw.decode("utf-8", "replace"))
    if mark is None:
        return "numbered"
    return (
        "dbmate" if mark["dbmate"] else {"goose": "goose"}.get(mark["tool"].lower(), "sql-migrate")
    )


def _readable(file: Path) -> bytes | None:
    try:
        return content(file)
    except OSError:
        return None


def content(file: Path) -> bytes:
    """Read a file; a pipe, whose reading may never end, is an OSError."""
    if not file.is_file() and file.exists():
        raise OSError(errno.EINVAL, "it is no regular file", str(file))
    return file.read_bytes()


def check_readable(path: Path) -> None:
    """Raise OSError where a numbered file cannot be read: its layout cannot be told."""
    for file in sorted(_files(path)):
        if _NUMBERED.fullmatch(file.name):
            content(file)


def _has(layout: str) -> Callable[[Path, Classes], bool]:
    """Return a test for a directory that holds files of `layout`."""
    return lambda _, classes: layout in classes


def _fits_flyway(path: Path, _: Classes) -> bool:
    for _folder, children, names in os.walk(path):
        children[:] = [name for name in children if not name.startswith(".")]
        if any(_FLYWAY.fullmatch(name) for name in names):
            return True
    return False


def holds_flyway(path: Path) -> bool:
    """Tell whether Flyway's files are in a directory itself, not only somewhere below it."""
    return any(_FLYWAY.fullmatch(file.name) for file in _files(path))


def _fits_sqlx(_: Path, classes: Classes) -> bool:
    return classes >= {"up-files", "numbered"}


def _fits_numbered(path: Path, classes: Classes) -> bool:
    return "numbered" in classes and not _fits_sqlx(path, classes)


def _migration(
    file: Path,
    name: str,
    *,
    raw: bytes | None = None,
    version: str = "",
    section: str | None = None,
    bom: bool = False,
) -> Migration:
    """Read one file, unless `raw` has it; `section` is the tool whose up section counts."""
    try:
        whole, problem = text_of(content(file) if raw is None else raw, bom=bom)
    except OSError as error:
        whole, problem = "", f"cannot be read: {error.strerror}; check the file"
    text, transaction = up_section(whole) if section else (whole, True)
    if section == "goose" and re.search(r"^--\s*\+goose\s+ENVSUB\s+ON", whole, re.M | re.I):
        problem = problem or "asks for +goose ENVSUB, which is not served; write the values out"
    if section in _STRICT:
        problem = problem or _marks_problem(whole)
    if re.match(r"--\s*no-transaction\b", whole) or re.search(
        r"^--\s*\+goose\s+NO\s+TRANSACTION", whole, re.M | re.I
    ):
        transaction = False
    return Migration(
        name=name,
        path=file,
        text=text,
        checksum=sha256(whole),
        version=version,
        transaction=transaction,
        problem=problem,
    )


#: Tools that refuse a file of which they would leave something out. sql-migrate runs what it finds.
_STRICT = {"dbmate", "goose"}
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


def _marks_problem(text: str) -> str | None:
    """Say what would silently not run, as dbmate and goose do (see their parsers)."""
    marks = list(_SECTION.finditer(text))
    ways = [(mark["a"] or mark["b"]).lower() for mark in marks]
    if "up" not in ways:
        return "has no mark of an Up part, so nothing of it would run; correct the mark"
    head = _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), text[: marks[0].start()])
    if head.strip():
        line = head[: len(head) - len(head.lstrip())].count("\n") + 1
        return f"line {line} is above the first mark, so it would not run; move it below"
    if "down" in ways and "up" in ways[ways.index("down") :]:
        line = text.count("\n", 0, marks[len(ways) - 1 - ways[::-1].index("up")].start()) + 1
        return f"line {line} begins an Up part after a Down part; keep one Up part, above the Down"
    return None


def up_section(text: str) -> tuple[str, bool]:
    """Blank out all but the up sections, keeping line numbers; say if it wants a transaction."""
    marks = list(_SECTION.finditer(text))
    if not marks:
        return text, True
    kept, transaction = ["\n" * text[: marks[0].start()].count("\n")], True
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        part = text[mark.start() : following.start() if following else len(text)]
        up = (mark["a"] or mark["b"]).lower() == "up"
        kept.append(part if up else "\n" * part.count("\n"))
        if up and re.search(r"transaction:\s*false|notransaction", mark["rest"], re.IGNORECASE):
            transaction = False
    return "".join(kept), transaction


#: The largest version that the tables of golang-migrate and sqlx hold.
_BIGINT = 2**63 - 1
_TOO_LARGE = f"has a version above {_BIGINT}, which its tool cannot record; give it a smaller one"


def _by_number(path: Path, *classes: str, section: str | None = None) -> list[Migration]:
    """Read the numbered files of some classes, by their number and then by name."""
    keyed = []
    for file in _files(path):
        raw = _readable(file)
        if _class(file, raw) not in (*classes, _UNREADABLE) or _is_down(file.name):
            continue
        match = _NUMBERED.fullmatch(file.name)
        if not match:
            raise UsageError(str(file), "its name begins with no number", "name it NNN_title")
        number = int(match["version"])
        version = match["version"] if section == "dbmate" else str(number)
        name = file.name.removesuffix(".sql").removesuffix(".up")
        read = _migration(file, name, raw=raw, version=version, section=section)
        if "up-files" in classes and number > _BIGINT:
            read = replace(read, problem=read.problem or _TOO_LARGE)
        keyed.append(((number, file.name), read))
    return [migration for _, migration in sorted(keyed, key=lambda pair: pair[0])]


def _dbmate(path: Path) -> list[Migration]:
    return sorted(_by_number(path, "dbmate", section="dbmate"), key=lambda m: m.path.name)


def flyway_version(text: str) -> tuple[int, ...]:
    """Return a Flyway version as numbers without trailing zeros, as Flyway compares them."""
    parts = [int(part) for part in re.split(r"[._]", text) if part]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def _flyway(path: Path) -> list[Migration]:
    """Read versioned migrations by version, then repeatable ones by description."""
    versioned, repeatable = [], []
    for file in _files_below(path):
        match = _FLYWAY.fullmatch(file.name)
        if not match or match["kind"] in "UB":
            continue
        migration = _flyway_migration(file, match["kind"], match["version"])
        if match["kind"] == "V":
            versioned.append((flyway_version(match["version"]), migration))
        else:
            repeatable.append((match["description"].replace("_", " "), migration))
    versioned.sort(key=lambda pair: pair[0])
    repeatable.sort(key=lambda pair: pair[0])
    return [m for _, m in versioned] + [m for _, m in repeatable]


#: Letters of a title that Flyway's table holds.
_TITLE = 200


def _flyway_migration(file: Path, kind: str, version: str) -> Migration:
    dotted = ".".join(str(part) for part in flyway_version(version)) or "0"
    read = _migration(file, file.stem, version=dotted if kind == "V" else "", bom=True)
    problem = read.problem or _flyway_problem(file.stem.partition("__")[2], read.text)
    conf = file.with_name(f"{file.name}.conf")
    alone = conf.is_file() and re.search(
        r"^\s*executeInTransaction\s*=\s*false", conf.read_text("utf-8", "replace"), re.M
    )
    checksum = str(flyway_checksum(read.text))
    return replace(read, checksum=checksum, transaction=not alone, problem=problem)


def _flyway_problem(title: str, text: str) -> str | None:
    if placeholder := re.search(r"\$\{[^}]+\}", text):
        return f"holds the placeholder {placeholder[0]}, which is not served; write it out"
    if len(title) > _TITLE:
        return f"has a title above {_TITLE} letters, which Flyway cannot record; shorten it"
    return None


def flyway_checksum(text: str) -> int:
    """Return Flyway's checksum: CRC32 over the lines without their ends, as a signed 32-bit int.

    Source: org.flywaydb.core.internal.resolver.ChecksumCalculator.
    """
    crc = zlib.crc32("".join(re.split(r"\r\n|\n|\r", text)).encode())
    return crc - (1 << 32) if crc >= 1 << 31 else crc


def _is_journaled(path: Path) -> bool:
    return (path / "meta" / "_journal.json").is_file()


def _drizzle(path: Path) -> list[Migration]:
    journal = path / "meta" / "_journal.json"
    try:
        entries = json.loads(journal.read_text("utf-8"))["entries"]
        tags = [_tag(entry["tag"]) for entry in sorted(entries, key=lambda entry: entry["idx"])]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(str(journal), "is not a Drizzle journal", "restore the file") from None
    return [_migration(path / f"{tag}.sql", tag) for tag in tags]


def _tag(value: object) -> str:
    """Return the tag of an entry; raise ValueError for what no file can be called."""
    if not isinstance(value, str) or "\0" in value or not is_utf_8(value):
        raise ValueError(value)
    return value


def _diesel_folders(path: Path) -> list[Path]:
    scripts = [child / "up.sql" for child in path.iterdir() if not child.name.startswith(".")]
    return [script.parent for script in scripts if script.is_symlink() or script.exists()]


def _diesel(path: Path) -> list[Migration]:
    """Read diesel's folders by version: the name up to its first underscore, without hyphens."""
    found = []
    for folder in _diesel_folders(path):
        version = folder.name.partition("_")[0].replace("-", "")
        read = _migration(folder / "up.sql", folder.name, version=version)
        transaction = _diesel_transaction(folder / "metadata.toml")
        found.append(replace(read, transaction=transaction))
    return sorted(found, key=lambda migration: migration.version)


def _diesel_transaction(metadata: Path) -> bool:
    if not metadata.is_file():
        return True
    import tomllib

    try:
        return (
            tomllib.loads(metadata.read_text("utf-8")).get("run_in_transaction", True) is not False
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        raise UsageError(str(metadata), "is not valid TOML", "correct it") from None


def _sectioned(name: str, tools: str, *, versions: bool) -> Layout:
    return Layout(
        name=name,
        tools=tools,
        fits=_has(name),
        read=lambda path: _by_number(path, name, section=name),
        versions=versions,
    )


LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            name="flyway",
            tools="Flyway's V…__title.sql",
            fits=_fits_flyway,
            read=_flyway,
            versions=True,
        ),
        Layout(
            name="up-files",
            tools="golang-migrate's and sqlx's NNN_title.up.sql",
            fits=_has("up-files"),
            read=lambda path: _by_number(path, "up-files"),
        ),
        Layout(
            name="sqlx",
            tools="sqlx's NNN_title.up.sql beside NNN_title.sql",
            fits=_fits_sqlx,
            read=lambda path: _by_number(path, "up-files", "numbered"),
            versions=True,
        ),
        Layout(
            name="dbmate",
            tools="dbmate's migrate:up",
            fits=_has("dbmate"),
            read=_dbmate,
            versions=True,
        ),
        _sectioned("goose", "goose's +goose Up", versions=True),
        _sectioned("sql-migrate", "sql-migrate's +migrate Up", versions=False),
        Layout(
            name="diesel",
            tools="diesel's folders with up.sql",
            fits=lambda path, _: bool(_diesel_folders(path)),
            read=_diesel,
            versions=True,
        ),
        Layout(
            name="drizzle",
            tools="Drizzle's meta/_journal.json",
            fits=lambda path, _: _is_journaled(path),
            read=_drizzle,
        ),
        Layout(
            name="numbered",
            tools="plain NNN_title.sql",
            fits=_fits_numbered,
            read=lambda path: _by_number(path, "numbered"),
        ),
    )
}


def fitting(path: Path) -> list[Layout]:
    """Return the layouts that a directory can be read as."""
    classes = set() if _is_journaled(path) else {_class(file) for file in _files(path)}
    return [layout for layout in LAYOUTS.values() if layout.fits(path, classes)]


def load(path: Path, layout: Layout, schemas: Sequence[str]) -> Directory:
    """Read a directory in one layout; raise UsageError where two migrations share a name."""
    migrations = distinct(layout.read(path), path, versions=layout.versions)
    return Directory(
        kind="sql",
        layout=layout.name,
        path=path,
        migrations=migrations,
        schemas=schemas,
        findings=[*_order_findings(path, layout, migrations), *_ignored(path, layout, migrations)],
    )


def _order_findings(path: Path, layout: Layout, migrations: Sequence[Migration]) -> list[Finding]:
    """Report a plain directory that `ls` orders differently from its numbers."""
    names = [migration.name for migration in migrations]
    if layout.name != "numbered" or names == sorted(names):
        return []
    differs = next(a for a, b in zip(names, sorted(names), strict=True) if a != b)
    return [
        findings.history(
            "MH108",
            "migration-order-differs",
            Severity.WARNING,
            f"by number and by name this directory orders differently, from {differs} on; "
            "migsafe goes by number",
            migration=differs,
            file=str(path),
            remedy="Give the numbers equal length.",
        )
    ]


def _ignored(path: Path, layout: Layout, migrations: Sequence[Migration]) -> list[Finding]:
    """Report SQL files that the layout does not run; down and undo files are meant to stay out."""
    run = {migration.path for migration in migrations}
    looked = {"flyway": _files_below, "diesel": _misnamed_scripts}.get(layout.name, _files)
    left = [
        file
        for file in looked(path)
        if file not in run
        and not _is_down(file.name)
        and not re.match(r"[UB][\d._]+__", file.name)
        and (layout.name == "up-files" or file.suffix.lower() == ".sql")
    ]
    return [
        findings.history(
            "MH110",
            "file-ignored",
            Severity.WARNING,
            f"{file.name} is in the migrations directory, but {layout.tools} does not name it so; "
            "it is not run",
            file=str(file),
            remedy="Rename it, or move it elsewhere.",
        )
        for file in sorted(left)
    ]


def _misnamed_scripts(path: Path) -> list[Path]:
    """Return the scripts of diesel's folders that miss their name by their capitals only."""
    folders = {child for child in path.iterdir() if child.is_dir() and child.name[0] != "."}
    return [
        file
        for folder in folders - {*_diesel_folders(path)}
        for file in _files(folder)
        if file.name.lower() == "up.sql"
    ]
