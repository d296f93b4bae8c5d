"""A report as workflow commands of GitHub Actions: annotations, and plain lines for the log.

With -v the log also has what is over GitHub's limit, what passed, was skipped or is allowed.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from migsafe.errors import ExitCode
from migsafe.findings import Finding, Severity, Status
from migsafe.reports import Report, annotations
from migsafe.reports.reasons import because

#: The gravest first.
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}

#: Annotations of a level that GitHub shows of one step (actions/toolkit, docs/problem-matchers.md);
#: it drops the others without a word.
_SHOWN = 10


class _Annotation(Struct, frozen=True, kw_only=True):
    level: str
    title: str
    message: str
    place: Mapping[str, object] = field(default_factory=dict)

    def command(self) -> str:
        properties = {**self.place, "title": self.title}
        listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
        return f"::{self.level} {listed}::{_data(self.message)}"

    def line(self) -> str:
        where = ":".join(str(self.place[key]) for key in ("file", "line") if key in self.place)
        return _plain(f"{self.level}: {self.title}: {self.message} {where}")


def render(report: Report, *, verbose: bool = False) -> str:
    """Render as lines; the last says how the run ended."""
    found = list(_annotations(report))
    shown, hidden = [], []
    for level in _LEVELS.values():
        graded = [item for item in found if item.level == level]
        shown += graded[:_SHOWN]
        hidden += graded[_SHOWN:]
    lines = [item.command() for item in shown]
    if verbose:
        lines += [item.line() for item in hidden]
        lines += [_other(finding) for finding in report.findings if _is_other(finding)]
    elif hidden:
        lines.append(_more(hidden))
    return "\n".join([*lines, _verdict(report)])


def _annotations(report: Report) -> Iterator[_Annotation]:
    title = f"migsafe {ExitCode(report.exit_code).name}"
    for problem in annotations.problems(report):
        says = f"{problem.name}: {problem.message}"
        yield _Annotation(level="error", title=title, message=says)
    for finding in annotations.failing(report.findings):
        yield _Annotation(
            level=_LEVELS[finding.severity],
            title=f"{finding.code} {finding.name}",
            message=annotations.said(finding),
            place=_place(report, finding),
        )


def _place(report: Report, finding: Finding) -> Mapping[str, object]:
    """Return the properties of a place; an annotation without a file belongs to the whole run."""
    if not finding.file:
        return {}
    place: dict[str, object] = {"file": annotations.path(report, finding)}
    if lines := annotations.lines(finding):
        place |= {"line": lines[0], "endLine": lines[1]}
        # GitHub takes a column only where the annotation is one line.
        if finding.column and finding.column > 0 and lines[0] == lines[1]:
            place["col"] = finding.column
    return place


def _more(hidden: list[_Annotation]) -> str:
    counts = [(sum(item.level == level for item in hidden), level) for level in _LEVELS.values()]
    said = ", ".join(f"{n} {level}{'s' if n > 1 else ''}" for n, level in counts if n)
    return f"and {said} more (-v lists them)"


def _is_other(finding: Finding) -> bool:
    return finding.status is not Status.FAILED or bool(finding.suppressed)


def _other(finding: Finding) -> str:
    allowed = f" (allowed: {finding.suppressed})" if finding.suppressed else ""
    state = "allowed" if finding.suppressed else finding.status
    return _plain(f"{state}: {finding.code} {finding.name}: {finding.message}{allowed}")


def _verdict(report: Report) -> str:
    code = ExitCode(report.exit_code)
    following = f" Next: {report.next}" if report.next else ""
    command = f"migsafe {report.command}".strip()
    said = because(report).removesuffix(".")
    return _plain(f"{command}: {code.name} (exit {int(code)}): {said}.{following}")


def _data(text: str) -> str:
    """Escape as the runner unescapes, which reads ``%25`` last."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: object) -> str:
    return _data(str(value)).replace(":", "%3A").replace(",", "%2C")


def _plain(text: str) -> str:
    """Return one line that the runner takes for no command: ``##[`` begins one anywhere in it."""
    return " ".join(text.split()).replace("##[", "## [")
