"""One migration file, read once; and a directory of them, in the order in which they run."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from migsafe.errors import UsageError, nearest
from migsafe.findings import Finding

BOM = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One migration as its ledger names it.

    `text` is what runs, with every line where the file has it; `checksum` is over the whole file,
    in the tool's own form. `version` is the tool's key, where that is not the name.
    `transaction` is False where the file asks to run outside one. `problem` says why the file
    cannot run; it matters only while the migration is pending. Of a file that is not SQL, `lines`
    has the line of each statement in it, `sent` the number of what it was sent in, where answers
    play no part, and `reads` says that it asks the database what to do.
    """

    name: str
    path: Path
    text: str = field(repr=False)
    checksum: str
    version: str = ""
    transaction: bool = True
    problem: str | None = None
    lines: Sequence[int] = ()
    sent: Sequence[int] = ()
    reads: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """The migrations on disk, in order. `findings` are about the directory itself."""

    kind: str
    layout: str
    path: Path
    migrations: Sequence[Migration]
    schemas: Sequence[str] = ()
    findings: Sequence[Finding] = ()

    def close(self) -> None:
        """Give back what the directory holds beside its files: most hold nothing."""

    def named(self, name: str) -> Migration:
        """Return the migration of that name, or file; raise UsageError with the nearest one."""
        for migration in self.migrations:
            if name in (migration.name, self.alias(migration)):
                return migration
        hint = nearest(name, (m.name for m in self.migrations)) or "give its whole name"
        raise UsageError(str(self.path), f"there is no migration {name}", hint)

    def alias(self, migration: Migration) -> str:
        """Return what a migration is called beside its name; most have one name."""
        return migration.name

    def proper(self, name: str) -> str:
        """Return the name of a migration that may be called by its alias; others stay."""
        return next((m.name for m in self.migrations if self.alias(m) == name), name)


def is_utf_8(name: str) -> bool:
    """Tell whether a name is text: the bytes of others come as surrogates."""
    return not any("\ud800" <= char <= "\udfff" for char in name)


def check_name(name: str, folder: Path) -> None:
    """Refuse a name that is not UTF-8: no table and no report could hold it."""
    if not is_utf_8(name):
        raise UsageError(str(folder), f"the name {name!r} is not UTF-8", "rename it")


def text_of(raw: bytes, *, bom: bool = False) -> tuple[str, str | None]:
    """Decode a file and say what keeps it from running; `bom` strips a byte order mark.

    Bytes that are not UTF-8 come back as U+FFFD, as Node and so Prisma's checksum read them.
    """
    text = raw.decode("utf-8", "replace")
    if bom:
        text = text.removeprefix(BOM)
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return text, f"line {line} is not UTF-8; save the file as UTF-8"
    if text.startswith(BOM):
        return text, "begins with a byte order mark, which PostgreSQL refuses; save it without"
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        return text, f"line {line} holds a NUL byte, where libpq would cut the file; remove it"
    return text, None


def sha256(text: str) -> str:
    """Return the SHA-256 of the text's UTF-8 bytes, 64 lower-case hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def distinct(migrations: Sequence[Migration], path: Path, *, versions: bool) -> Sequence[Migration]:
    """Return the migrations as they are; raise UsageError where two share a name.

    With `versions`, two may not share a version either: it is the key of the tool's table.
    """
    seen: dict[str, Migration] = {}
    for migration in migrations:
        for key in filter(None, (migration.name, migration.version if versions else "")):
            other = seen.setdefault(key, migration)
            if other is not migration:
                raise UsageError(
                    str(path),
                    f"{_below(other, path)} and {_below(migration, path)} are both {key}",
                    "rename one of them",
                )
    return migrations


def _below(migration: Migration, path: Path) -> Path:
    return migration.path.relative_to(path)
