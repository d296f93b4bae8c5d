"""Findings by their place in the files, as a linter prints them. Pure."""

import textwrap
from collections.abc import Iterable, Iterator

import click

from migsafe.findings import Finding, Severity, Status

WIDTH = 80

_COLOUR = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


def render(findings: Iterable[Finding], *, verbose: bool = False) -> str:
    """List failed findings by file and line; a remedy is said once, or each time with `verbose`."""
    failed = [finding for finding in findings if finding.status is Status.FAILED]
    failed.sort(key=lambda finding: (finding.file or "", finding.line or 0, finding.code))
    advised: set[tuple[str, str | None]] = set()
    parts = []
    for finding in failed:
        said = (finding.code, finding.remedy)
        parts.append("\n".join(_lines(finding, advise=verbose or said not in advised)))
        advised.add(said)
    return "\n\n".join(parts)


def _lines(finding: Finding, *, advise: bool) -> Iterator[str]:
    place = ":".join(str(part) for part in (finding.file, finding.line, finding.column) if part)
    state = "allowed" if finding.suppressed else str(finding.severity)
    painted = click.style(state, fg=None if finding.suppressed else _COLOUR[finding.severity])
    label = f"{finding.code} {finding.name}"
    head = f"{place or finding.migration or '-'}:"
    apart = " " if len(f"{head} {state} {label}") <= WIDTH else "\n  "
    yield f"{head}{apart}{painted} {label}"
    yield _wrapped(finding.message)
    if finding.suppressed:
        yield _wrapped(f"allowed: {finding.suppressed}")
    elif advise and finding.remedy:
        yield _wrapped(f"→ {finding.remedy}")


def _wrapped(text: str) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def painted_diff(diff: str) -> str:
    """Colour the lines of a unified diff as git does."""
    return "\n".join(_painted(line) for line in diff.rstrip("\n").split("\n"))


def _painted(line: str) -> str:
    if line.startswith(("---", "+++")):
        return click.style(line, bold=True)
    return click.style(line, fg={"+": "green", "-": "red", "@": "cyan"}.get(line[:1]))
