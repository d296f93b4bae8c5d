"""Hazards: what a statement risks, from its text. A rule is a record plus a pure function.

`tests/cases/<code>/{bad,good}.sql` are a rule's tests.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from migsafe.findings import Finding, Severity, Source, Status
from migsafe.hazards import session
from migsafe.sql import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One hazard; `check` yields the statements of one migration that have it, with a sentence."""

    code: str
    name: str
    severity: Severity
    remedy: str
    check: Callable[[Sequence[Statement]], Iterable[tuple[Statement, str]]]


RULES: tuple[Rule, ...] = (
    Rule(
        code="MS401",
        name="session-setting-leaks",
        severity=Severity.WARNING,
        remedy="Write SET LOCAL, or RESET it at the end of the file.",
        check=session.leaks,
    ),
)


def check(migration: str, file: str, statements: Sequence[Statement]) -> Iterator[Finding]:
    """Yield the hazards of one migration, in the order of the rules."""
    for rule in RULES:
        for statement, message in rule.check(statements):
            yield Finding(
                code=rule.code,
                name=rule.name,
                source=Source.HAZARD,
                severity=rule.severity,
                status=Status.FAILED,
                message=message,
                migration=migration,
                file=file,
                line=statement.line,
                statement=statement.index,
                remedy=rule.remedy,
                evidence="text",
            )
