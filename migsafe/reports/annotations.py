"""What the formats of code hosts share: where a finding is, what it says, what went wrong besides.

Reads no file; the current directory is asked for where a path is absolute.
"""

import contextlib
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from migsafe import config
from migsafe.errors import ExitCode
from migsafe.findings import Finding, Source, Status
from migsafe.reports import Report


class Problem(Struct, frozen=True):
    """Why a run could not do its work, which no finding says; `name` is a migration or a command.

    A format that shows findings only would call such a run clean.
    """

    name: str
    message: str


def problems(report: Report) -> list[Problem]:
    """Return what stopped the run: its error, its failed steps, or else what its code means."""
    code = ExitCode(report.exit_code)
    command = f"migsafe {report.command}".strip()
    found = [Problem(command, report.error)] if report.error else []
    for step in report.steps:
        if step.error:
            place = f"line {step.line}: " if step.line else ""
            found.append(Problem(step.migration, f"{place}{step.error}"))
    told = code is ExitCode.FINDINGS and any(failing(report.findings))
    if not found and code is not ExitCode.OK and not told:
        found.append(Problem(command, code.meaning))
    return found


def failing(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the findings that failed and that nobody allowed."""
    return (f for f in findings if f.status is Status.FAILED and not f.suppressed)


def said(finding: Finding) -> str:
    """Return the message and the remedy as sentences."""
    message = f"{finding.message.removesuffix('.')}." if finding.message else ""
    return " ".join(part for part in (message, finding.remedy) if part)


def path(report: Report, finding: Finding | None = None) -> str:
    """Return the file of a finding, from the current directory on where it is below.

    Code hosts drop what has no path, GitHub with the whole upload. So a finding about a database
    or a history is said to be in the directory of the migrations, or else in the config file.
    """
    named = finding.file if finding else None
    named = named or (report.history.path if report.history else "") or config.FILE
    # normpath keeps two slashes in front, which POSIX leaves a meaning to.
    placed = re.sub("^//", "/", os.path.normpath(named))
    if placed.startswith("/"):
        with contextlib.suppress(ValueError, OSError):
            return str(Path(placed).relative_to(Path.cwd()))
    return placed


def lines(finding: Finding) -> tuple[int, int] | None:
    """Return the first and the last line of a finding; None where its place is not known."""
    if not finding.file or not finding.line or finding.line < 1:
        return None
    return finding.line, max(finding.line, finding.end_line or 0)


#: The size of a table, which a hazard ends with where it is known; and any other count.
_CHANGING = re.compile(r" \([^()]*\d[^()]*\)$|\b\d+\b")


def identity(report: Report, finding: Finding) -> str:
    """Return what stays the same of a finding in the next run: neither lines nor counts."""
    # An audit's name is its own, and what it says of the rows changes with them.
    message = "" if finding.source is Source.AUDIT else _CHANGING.sub("", finding.message)
    parts = (finding.code, finding.name, finding.migration or "", path(report, finding), message)
    return "\0".join(parts)


def fingerprints(identities: Iterable[str]) -> Iterator[str]:
    """Yield a digest for each identity, unique among them: the same one again is numbered."""
    seen: Counter[str] = Counter()
    for text in identities:
        seen[text] += 1
        yield hashlib.sha256(f"{text}\0{seen[text]}".encode("utf-8", "replace")).hexdigest()
