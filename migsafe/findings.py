"""What hazards, audits, history checks and verification report: one type for all of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad a failed finding is; the gate compares against it."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Status(StrEnum):
    """Whether the question behind a finding was answered, and how."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Source(StrEnum):
    """Which part of migsafe reports a finding."""

    HAZARD = "hazard"
    AUDIT = "audit"
    DERIVED = "derived"
    HISTORY = "history"
    REHEARSAL = "rehearsal"
    VERIFY = "verify"


#: Every finding code but those of the hazard rules, which `hazards.rules()` lists. A code never changes its
#: meaning and is never given again.
CODES: Mapping[str, str] = {
    "MA001": "an audit returned more offenders than it tolerates",
    "MA002": "an audit could not be answered: it names something that is not there, or failed",
    "MA003": "an audit did not finish within its timeout, so its answer is unknown",
    "MH101": "the schema is not empty and the history's own table does not account for it (P3005)",
    "MH102": "the history's own table holds a failed migration (P3009)",
    "MH103": "a deployment is running now: its lock is held",
    "MH104": "a migration outside a transaction stopped midway",
    "MH105": "a recorded migration has no file",
    "MH106": "a recorded migration was edited afterwards",
    "MH107": "a pending migration is older than one that is applied",
    "MH108": "two orders of the pending migrations are in use, and they differ",
    "MH109": "the order of the migrations is not known",
    "MH110": "a file in the migrations directory is not run",
    "MH111": "a claim about a migration has no evidence",
    "MH112": "a pending migration names a table that is not there",
    "MH113": "a row of the history's own table was not written by its tool",
    "MH114": "the live schema contradicts a claim about a migration",
    "MH115": "the live schema does not decide whether a migration is in effect",
    "MH116": "a part of a migration is in effect",
    "MH117": "a migration does not replay in the shadow",
    "MH118": "a migration is not in effect, although a later one is",
    "MS455": "a file does not parse",
    "MS470": "a comment allows a hazard that is not there",
    "MS471": "a comment that would allow a hazard has no reason, or is misspelt",
    "MS472": "a comment allows a rule that there is none of",
    "MV101": "a column's nullability is not what is expected",
    "MV102": "a column's type is not what is expected",
    "MV103": "an expected table or column is not there",
    "MV104": "nothing was compared with the live schema",
    "MV105": "a migration is not recorded as applied",
    "MV106": "the live schema differs from what the history makes",
    "MV107": "an index is INVALID: it costs every write and serves no query",
    "MV108": "a constraint is NOT VALID: older rows were never checked",
    "MV109": "a trigger is disabled",
    "MV110": "an index that REINDEX CONCURRENTLY left behind",
}

_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One answer to one question. Lines, `column` and `statement` are 1-based.

    `count` is the number of offenders and `exact` says whether it is complete; `keys` holds the
    offenders' key columns only; `seconds` is a duration. A passed finding is kept: it proves what
    was checked.
    """

    code: str
    name: str
    source: Source
    severity: Severity
    status: Status
    message: str
    migration: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    statement: int | None = None
    count: int | None = None
    exact: bool | None = None
    keys: tuple[Mapping[str, Any], ...] = ()
    remedy: str | None = None
    suppressed: str | None = None
    evidence: str | None = None
    seconds: float | None = None


def history(
    code: str, name: str, severity: Severity, message: str, *, remedy: str, **place: Any
) -> Finding:
    """Build a failed finding about a history; `place` is `migration`, `file`, `line`."""
    return Finding(
        code=code,
        name=name,
        source=Source.HISTORY,
        severity=severity,
        status=Status.FAILED,
        message=message,
        remedy=remedy,
        **place,
    )


def blocking(findings: Iterable[Finding], gate: str) -> tuple[Finding, ...]:
    """Return the failed, unsuppressed findings at or above `gate` (a severity, or ``never``)."""
    if gate == "never":
        return ()
    return tuple(
        finding
        for finding in findings
        if finding.status is Status.FAILED
        and not finding.suppressed
        and _RANK[finding.severity] >= _RANK[Severity(gate)]
    )
