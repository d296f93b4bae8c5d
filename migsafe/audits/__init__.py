"""Audits: read-only questions to the target whose rows are offenders."""

from dataclasses import dataclass
from pathlib import Path

from migsafe.findings import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One question. `key` names the columns that may be shown, `timeout` is in seconds.

    `before` limits it to the time while one of those migrations is pending; empty means always.
    """

    name: str
    sql: str
    file: Path
    line: int
    description: str = ""
    severity: Severity = Severity.ERROR
    before: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    max: int = 0
    timeout: float = 60.0
    remedy: str | None = None
