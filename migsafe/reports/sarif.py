"""A report as SARIF 2.1.0, for code scanning.

Numbers in parentheses are sections of the OASIS standard. Results are what failed; with -v also
what passed, what was skipped and what a comment allows. The standard has a `kind` and a
`suppressions` for these, but GitHub reads neither and would open an alert for each.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from migsafe.errors import ExitCode
from migsafe.findings import CODES, Finding, Severity, Status
from migsafe.reports import Report, annotations, encoded

if TYPE_CHECKING:
    from migsafe.hazards import Rule

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_KINDS = {Status.PASSED: "pass", Status.FAILED: "fail", Status.SKIPPED: "notApplicable"}

#: The name by which consumers know the root of a checkout, wherever they have it (3.4.4).
_ROOT = "%SRCROOT%"

Object = dict[str, Any]


def render(report: Report, *, verbose: bool = False) -> str:
    """Render as a log with one run."""
    shown = report.findings if verbose else tuple(annotations.failing(report.findings))
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(report, shown)]}
    return encoded(log)


def _run(report: Report, shown: Sequence[Finding]) -> Object:
    codes = sorted({finding.code for finding in shown})
    rules = [_rule(code, [f for f in shown if f.code == code]) for code in codes]
    prints = annotations.fingerprints(annotations.identity(report, f) for f in shown)
    return {
        "tool": {"driver": {"name": "migsafe", "version": report.version, "rules": rules}},
        "automationDetails": {"id": _id(report)},
        "invocations": [_invocation(report)],
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(report, finding, codes.index(finding.code), fingerprint)
            for finding, fingerprint in zip(shown, prints, strict=True)
        ],
        "properties": _counts(report),
    }


def _id(report: Report) -> str:
    """Return the category of the run and its name; an upload replaces that of its category."""
    target = [report.target.name] if report.target else []
    return "/".join(["migsafe", report.command, *target, report.run])


def _counts(report: Report) -> Object:
    """Count what is not in the results of a run without -v, and so what was checked."""
    counts = Counter(finding.status for finding in report.findings)
    allowed = sum(bool(finding.suppressed) for finding in report.findings)
    return {
        "passed": counts[Status.PASSED],
        "skipped": counts[Status.SKIPPED],
        "suppressed": allowed,
    }


def _invocation(report: Report) -> Object:
    code = ExitCode(report.exit_code)
    problems = annotations.problems(report)
    return {
        "executionSuccessful": not problems,
        "exitCode": int(code),
        "exitCodeDescription": f"{code.name}: {code.meaning}",
        "startTimeUtc": f"{report.started:%Y-%m-%dT%H:%M:%S}Z",
        "toolExecutionNotifications": [
            {
                "level": "error",
                "descriptor": {"id": code.name},
                "message": _message(f"{problem.name}: {problem.message}"),
            }
            for problem in problems
        ],
    }


def _rule(code: str, found: Sequence[Finding]) -> Object:
    """Describe a code: from its hazard's record, or else with the remedies of its findings."""
    if hazard := _hazard(code):
        linked = {"helpUri": hazard.source} if hazard.source.startswith("https://") else {}
        return {
            "id": code,
            "name": hazard.name,
            "shortDescription": _message(hazard.summary),
            "fullDescription": _message(hazard.why),
            "help": _message(hazard.remedy),
            **linked,
        }
    remedies = dict.fromkeys(finding.remedy for finding in found if finding.remedy)
    says = _message(CODES.get(code, code))
    return {
        "id": code,
        "shortDescription": says,
        "fullDescription": says,
        "help": _message("\n".join(remedies)) if remedies else says,
    }


def _hazard(code: str) -> "Rule | None":
    if not code.startswith("MS"):
        return None
    from migsafe import hazards  # loads the parser

    return next((rule for rule in hazards.rules() if rule.code == code), None)


def _result(report: Report, finding: Finding, index: int, fingerprint: str) -> Object:
    failed = finding.status is Status.FAILED
    return {
        "ruleId": finding.code,
        "ruleIndex": index,
        "kind": _KINDS[finding.status],
        # A level other than none is for what failed (3.27.10).
        "level": _LEVELS[finding.severity] if failed else "none",
        "message": _message(f"{finding.name}: {annotations.said(finding)}"),
        "locations": [_location(report, finding)],
        "partialFingerprints": {"migsafe/v1": fingerprint},
        # All results of a run have the array, or none has (3.27.23).
        "suppressions": _suppressions(finding),
    }


def _message(text: str) -> Object:
    """Return a message; a brace would begin a placeholder (3.11.5)."""
    return {"text": text.replace("{", "{{").replace("}", "}}")}


def _suppressions(finding: Finding) -> list[Object]:
    if not finding.suppressed:
        return []
    return [{"kind": "inSource", "status": "accepted", "justification": finding.suppressed}]


def _location(report: Report, finding: Finding) -> Object:
    physical: Object = {"artifactLocation": _artifact(annotations.path(report, finding))}
    if lines := annotations.lines(finding):
        physical["region"] = _region(lines, finding.column)
    location: Object = {"physicalLocation": physical}
    if finding.migration:
        location["logicalLocations"] = [{"name": finding.migration, "kind": "migration"}]
    return location


def _artifact(path: str) -> Object:
    if path.startswith("/"):
        return {"uri": Path(path).as_uri()}
    return {"uri": quote(path, errors="replace"), "uriBaseId": _ROOT}


def _region(lines: tuple[int, int], column: int | None) -> Object:
    """Return whole lines, or what begins at the column and ends where its line does (3.30.8)."""
    start = {"startColumn": column} if column and column > 0 else {}
    return {"startLine": lines[0], **start, "endLine": lines[1]}
