"""Audits from `*.sql` files with a comment header. Reads files only."""

import re
from collections.abc import Mapping
from pathlib import Path

from migsafe import sql
from migsafe.audits import Audit
from migsafe.errors import UsageError, nearest
from migsafe.findings import Severity

_LINE = re.compile(r"--\s*(?P<key>[a-z]+):\s*(?P<value>.*?)\s*")
#: The remark in brackets after a value, which the contract's own example has.
_REMARK = re.compile(r"\s{2,}\(.*\)$")
_KEYS = ("audit", "description", "severity", "before", "key", "max", "timeout", "remedy")


def load(path: Path) -> list[Audit]:
    """Read every `*.sql` of a directory, by file name; raise UsageError with file and line."""
    try:
        files = sorted(file for file in path.iterdir() if file.suffix.lower() == ".sql")
    except OSError as error:
        raise UsageError(
            str(path), f"cannot be read: {error.strerror}", "check its rights"
        ) from None
    audits = [parse(file) for file in files]
    names: dict[str, Path] = {}
    for audit in audits:
        other = names.setdefault(audit.name, audit.file)
        if other != audit.file:
            raise UsageError(
                str(audit.file), f"{audit.name} is already the name of {other.name}", "rename it"
            )
    return audits


def parse(file: Path) -> Audit:
    """Read one audit file."""
    try:
        text = file.read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(
            str(file), f"cannot be read: {error.strerror}", "check its rights"
        ) from None
    except UnicodeDecodeError:
        raise UsageError(str(file), "cannot be read as UTF-8", "save it as UTF-8") from None
    header = _header(file, text)
    try:
        query = sql.question(text)
    except sql.SqlError as error:
        raise UsageError(
            f"{file}:{error.line}:{error.column}",
            f"an audit is one read-only SELECT, this is {error}",
            "correct the query",
        ) from None
    return Audit(
        name=header.get("audit", [file.stem])[0],
        sql=query,
        file=file,
        line=sql.parse(text)[0].line,
        description=header.get("description", [""])[0],
        severity=_severity(file, header),
        before=tuple(header.get("before", ())),
        key=tuple(part.strip() for item in header.get("key", ()) for part in item.split(",")),
        max=_count(file, header),
        timeout=_seconds(file, header),
        remedy=header.get("remedy", [None])[0],
    )


def _header(file: Path, text: str) -> Mapping[str, list[str]]:
    """Return the values a key of the leading comment lines; keys other than before come once."""
    found: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith("--"):
            if line.strip():
                break
            continue
        match = _LINE.fullmatch(line)
        if not match:
            continue
        key, value = match["key"], _REMARK.sub("", match["value"])
        if key not in _KEYS:
            hint = nearest(key, _KEYS) or f"the keys are {', '.join(_KEYS)}"
            raise UsageError(f"{file}:{number}", f"unknown audit key {key!r}", hint)
        if key in found and key != "before":
            raise UsageError(f"{file}:{number}", f"{key} is given twice", "keep one")
        if not value:
            raise UsageError(f"{file}:{number}", f"{key} has no value", "write one, or remove it")
        found.setdefault(key, []).append(value)
    return found


def _severity(file: Path, header: Mapping[str, list[str]]) -> Severity:
    try:
        return Severity(header.get("severity", ["error"])[0])
    except ValueError:
        choices = ", ".join(Severity)
        raise UsageError(str(file), "unknown severity", f"write one of {choices}") from None


def _count(file: Path, header: Mapping[str, list[str]]) -> int:
    value = header.get("max", ["0"])[0]
    if not re.fullmatch(r"[0-9]+", value):
        raise UsageError(str(file), "max is no whole number", "write it like 0")
    return int(value)


def _seconds(file: Path, header: Mapping[str, list[str]]) -> float:
    value = header.get("timeout", ["60s"])[0]
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|min)", value)
    if not match or float(match[1]) == 0:
        raise UsageError(str(file), f"timeout {value!r} is no duration", "write it like 60s")
    return float(match[1]) * {"ms": 0.001, "s": 1, "min": 60}[match[2]]
