"""Prisma's migrations directory, to the letter of Prisma Migrate 5 to 7.

Sources: docs/how-it-works.md, "Prisma", and the CLI itself, which the tests run.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from migsafe import findings
from migsafe.errors import UsageError
from migsafe.findings import Finding, Severity
from migsafe.histories.migration import Directory, Migration, sha256, text_of

SCRIPT = "migration.sql"

#: ICU's root collation for ASCII: Prisma sorts with localeCompare since 6.6.
_ICU = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz"
_WEIGHT = {" ": 1} | {char: rank for rank, char in enumerate(_ICU, start=2)}


def fits(path: Path) -> bool:
    """Tell whether a directory is one of Prisma's."""
    return (path / "migration_lock.toml").is_file() or any(
        (child / SCRIPT).exists() for child in _subdirectories(path)
    )


def load(path: Path, schemas: Sequence[str]) -> Directory:
    """Read a Prisma migrations directory; every direct subdirectory is a migration."""
    _check_provider(path)
    names = [child.name for child in _subdirectories(path)]
    ordered = sorted(names, key=icu_key)
    return Directory(
        kind="prisma",
        layout="prisma",
        path=path,
        migrations=[_read(path / name) for name in ordered],
        schemas=schemas or _datasource_schemas(path),
        findings=_order_findings(path, ordered),
    )


def _subdirectories(path: Path) -> list[Path]:
    with os.scandir(path) as entries:  # unlike Path, it asks nothing more of the file system
        return [path / e.name for e in entries if e.is_dir(follow_symlinks=False)]


def icu_key(name: str) -> tuple[list[int], list[bool]]:
    """Return the sort key of a name in ICU's root collation; exact for ASCII."""
    return [_WEIGHT.get(c.lower(), 1000 + ord(c)) for c in name], [c.isupper() for c in name]


def _order_findings(path: Path, ordered: Sequence[str]) -> list[Finding]:
    odd = [name for name in ordered if any(c.lower() not in _WEIGHT for c in name)]
    found = [
        findings.history(
            "MH109",
            "migration-order-unknown",
            Severity.ERROR,
            f"the place of {name!r} depends on the locale of whoever runs Prisma",
            migration=name,
            file=str(path / name),
            remedy="Name migrations in plain ASCII.",
        )
        for name in odd
    ]
    by_bytes = sorted(ordered, key=str.encode)
    differs = next((a for a, b in zip(ordered, by_bytes, strict=True) if a != b), None)
    if differs:
        found.append(
            findings.history(
                "MH108",
                "migration-order-differs",
                Severity.WARNING,
                f"Prisma since 6.6 and before it order this directory differently, from {differs} "
                "on; migsafe follows 6.6",
                migration=differs,
                file=str(path),
                remedy="Give names timestamps of equal length.",
            )
        )
    return found


def _check_provider(path: Path) -> None:
    """Check migration_lock.toml as Prisma does: by its first line that starts with provider."""
    lock = path / "migration_lock.toml"
    if not lock.is_file():
        return
    lines = lock.read_text("utf-8", "replace").splitlines()
    line = next((line for line in lines if line.startswith("provider")), "")
    provider = line.removeprefix("provider = ").strip('"')
    if provider not in ("postgresql", "cockroachdb"):
        raise UsageError(
            str(lock),
            f"the provider reads as {provider!r}, which Prisma refuses (P3019)",
            'write exactly: provider = "postgresql"',
        )


def _datasource_schemas(path: Path) -> tuple[str, ...]:
    """Return `schemas = [...]` of the datasource beside the migrations, empty where there is none.

    Prisma's schema is one file or a folder of them, one level above the migrations.
    """
    parent = path.resolve().parent
    for file in sorted([*parent.glob("*.prisma"), *parent.glob("schema/*.prisma")]):
        text = file.read_text("utf-8", "replace")
        block = re.search(r"^\s*datasource\s+\w+\s*\{(.*?)\}", text, re.DOTALL | re.MULTILINE)
        names = block and re.search(r"^\s*schemas\s*=\s*\[(.*?)\]", block[1], re.DOTALL | re.M)
        if names:
            return tuple(re.findall(r'"([^"]+)"', names[1]))
    return ()


def _read(path: Path) -> Migration:
    script = path / SCRIPT
    try:
        text, problem = text_of(script.read_bytes())
    except FileNotFoundError:
        text, problem = "", f"there is no {SCRIPT} in it (P3015); restore the file"
    except OSError as error:
        text, problem = "", f"cannot be read: {error.strerror}; check the file"
    return Migration(name=path.name, path=script, text=text, checksum=sha256(text), problem=problem)
