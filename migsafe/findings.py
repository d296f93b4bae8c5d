"""What hazards, audits, history checks and verification report: one type for all of them."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct


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


#: Every finding code but those of the hazard rules, which `hazards.rules()` lists. A code never
#: changes its meaning and is never given again.
CODES: Mapping[str, str] = {
    "MA001": "an audit returned more offenders than it tolerates",
    "MA002": "an audit could not be answered: it names something that is not there, or failed",
    "MA003": "an audit did not finish within its timeout, so its answer is unknown",
    "MD101": "NULL in a column that is to refuse it",
    "MD102": "rows that would have no value in a new column",
    "MD103": "rows that would have NULL in a new column of a domain that refuses it",
    "MD104": "rows in which a new column's default is refused by its check",
    "MD105": "rows in which a new column's default refers to no row",
    "MD106": "equal rows below a new unique constraint",
    "MD107": "equal rows below a new unique constraint that takes NULLs for equal",
    "MD108": "equal rows below a new unique index",
    "MD109": "equal rows below a unique index that is built CONCURRENTLY",
    "MD110": "equal rows below a unique index on expressions, or on a part of the rows",
    "MD111": "equal rows below a new primary key",
    "MD112": "NULL in a column of a new primary key",
    "MD113": "NULL in a column of an index that becomes the primary key",
    "MD114": "rows that refer to no row",
    "MD115": "rows that refer to no row, below a foreign key that is validated",
    "MD116": "rows that refer to no row by several columns",
    "MD117": "rows that refer to no row by several columns, all or none of them NULL",
    "MD118": "rows that a new check refuses",
    "MD119": "rows that a check refuses which is validated",
    "MD120": "rows that a new exclusion constraint refuses",
    "MD121": "values that do not become the new type",
    "MD122": "a column's type does not become the new one without USING",
    "MD123": "texts that are no integers",
    "MD124": "numbers out of the new type's range",
    "MD125": "texts longer than the new length",
    "MD126": "texts that a cast to the new length cuts silently",
    "MD127": "numbers with too many digits for the new type",
    "MD128": "numbers that the new type rounds off silently",
    "MD129": "fractions that an integer rounds off silently",
    "MD130": "times of day that a date drops silently",
    "MD131": "digits of seconds that the new type rounds off silently",
    "MD132": "floating-point numbers too large for the new type",
    "MD133": "texts that are no timestamps",
    "MD134": "texts that are no uuids",
    "MD135": "texts that are no JSON",
    "MD136": "JSON that jsonb refuses",
    "MD137": "texts that are equal without their case, below a unique index",
    "MD138": "labels that the new enum lacks",
    "MD139": "texts that are no labels of the enum",
    "MD140": "values that a domain's new check refuses",
    "MD141": "NULL in a column of a domain that is to refuse it",
    "MD142": "values that a domain refuses",
    "MD143": "values that USING turns into NULL, in a column that refuses it",
    "MD144": "values that become equal, below a unique index",
    "MD145": "values that a check refuses after their change of type",
    "MD146": "values that refer to no row after their change of type",
    "MD147": "rows outside the range of the partition that their table becomes",
    "MD148": "rows outside the list of the partition that their table becomes",
    "MD149": "rows outside the remainder of the partition that their table becomes",
    "MD150": "rows of the default partition that an attached one claims",
    "MD151": "rows of the default partition that a new one claims",
    "MD152": "rows of a default partition to be that another partition claims",
    "MD153": "rows for which a generated column raises an error",
    "MD154": "rows for which a required generated column is NULL",
    "MD155": "rows for which an index's expression raises an error",
    "MD156": "values too large for an index entry",
    "MD157": "rows that refer to rows which are deleted",
    "MD158": "rows that have an inserted unique value already",
    "MD159": "rows that have numbers which a new identity gives again",
    "MD160": "values that a dropped column takes along",
    "MD161": "rows that a dropped table takes along",
    "MD162": "rows that TRUNCATE takes along",
    "MD163": "something needs a table that is dropped",
    "MD164": "a view reads a column that is dropped",
    "MD165": "a view reads a column that gets another type",
    "MD166": "a foreign key refers to a table that is truncated",
    "MD167": "a foreign key refers to columns that are not unique",
    "MD168": "a table that is to be logged refers to one that is not",
    "MD169": "an heir to be lacks a column of its parent",
    "MD170": "a view refreshed CONCURRENTLY has no unique index",
    "MD171": "values of which another type holds only a part",
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
    "MH119": "a history has several heads",
    "MH120": "a migration asks the database what to do",
    "MH121": "a run in the ledger is not as it was stored",
    "MH122": "a run is missing from the ledger",
    "MH123": "a run was put into the ledger beside another",
    "MH124": "a report file is not what the ledger has of that run",
    "MH125": "a run left receipts in the ledger, and no report",
    "MH126": "the SQL of a migration is not known",
    "MH130": "env.py runs with databases or version tables that are left alone, too",
    "MH127": "the role or the server of a plan could not apply it",
    "MS147": "a session is in the way of a migration, which would have to wait for it",
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
    "MV111": "the record lacks migrations of this checkout: the schema is behind",
    "MV112": "the record has migrations that this checkout has not: the schema is ahead",
    "MV113": "whether the schema is what its record says is not known",
    "MV114": "the models want what no revision makes",
    "MV115": "the models were not compared",
    "MV131": "what was restored is not what the snapshot held",
}

_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}


class Finding(Struct, frozen=True, kw_only=True):
    """One answer to one question. Lines, `column` and `statement` are 1-based.

    `count` is the number of offenders and `exact` says whether it is complete; `keys` holds the
    offenders' key columns only; `seconds` is a duration. `verdict` is a derived audit's: pass,
    fail, depends or unknown; `sql` is its question, where that was asked for. A passed finding is
    kept: it proves what was checked.
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
    verdict: str | None = None
    sql: str | None = None


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
