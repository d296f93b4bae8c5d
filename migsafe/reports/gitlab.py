"""A report as GitLab's code quality report: a JSON array of what failed.

What passed, was skipped or is allowed by a comment has no place in it.
"""

from collections.abc import Iterator
from typing import Any

from migsafe.errors import ExitCode
from migsafe.findings import Finding, Severity
from migsafe.reports import Report, annotations, encoded

#: GitLab's other grades are minor, which nothing here is, and blocker: a run that was stopped.
_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.INFO: "info"}

Object = dict[str, Any]


def render(report: Report, *, verbose: bool = False) -> str:  # noqa: ARG001  # always complete
    """Render as one JSON array; what stopped the run comes first."""
    issues = list(_issues(report))
    prints = annotations.fingerprints(identity for identity, _ in issues)
    listed = [issue | {"fingerprint": key} for (_, issue), key in zip(issues, prints, strict=True)]
    return encoded(listed)


def _issues(report: Report) -> Iterator[tuple[str, Object]]:
    """Yield each issue with what makes it the same one in the next run; GitLab keeps one of each.

    A run that was stopped and gave an empty array would look as if nothing was wrong.
    """
    code = ExitCode(report.exit_code).name
    for problem in annotations.problems(report):
        says = f"{problem.name}: {problem.message}"
        place = {"path": annotations.path(report), "lines": {"begin": 1}}
        yield f"{code} {says}", _issue(code, says, "blocker", place)
    for finding in annotations.failing(report.findings):
        says = f"{finding.name}: {annotations.said(finding)}"
        severity = _SEVERITIES[finding.severity]
        place = _place(report, finding)
        yield annotations.identity(report, finding), _issue(finding.code, says, severity, place)


def _issue(check: str, says: str, severity: str, place: Object) -> Object:
    return {"description": says, "check_name": check, "severity": severity, "location": place}


def _place(report: Report, finding: Finding) -> Object:
    begin, end = annotations.lines(finding) or (1, 1)
    return {"path": annotations.path(report, finding), "lines": {"begin": begin, "end": end}}
