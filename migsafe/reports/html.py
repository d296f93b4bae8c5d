"""A report as one page that a manager can read, keep and print: the verdict first.

The file is whole in itself: it asks for nothing from anywhere, and is read without its script. All
that came from outside is escaped; what a report does not know is not drawn.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from migsafe.errors import ExitCode
from migsafe.facts import shown
from migsafe.findings import Finding, Severity, Source, Status
from migsafe.outcomes import Outcome
from migsafe.reports import Planned, Report, recovery, restored, timeline
from migsafe.reports.reasons import because
from migsafe.snapshots import pruning

if TYPE_CHECKING:  # heavy, and only this format needs it
    from jinja2 import Environment

_FOLDER = "page"


def render(report: Report, *, verbose: bool = False) -> str:  # noqa: ARG001  # always complete
    """Render everything that the report holds as one HTML document."""
    from markupsafe import Markup

    style, script = _asset("report.css"), _asset("report.js")
    page = _environment().get_template("report.html")
    code = ExitCode(report.exit_code)
    return page.render(
        report=report,
        code=code,
        word=_word(report),
        tone=_tone(code),
        sentence=_sentence(report),
        changed=_changed(report),
        # Our own files, which hold nothing of a report.
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        policy=_policy(style, script),
        next=_next(report),
        checked=list(_checked(report)),
        groups=list(_groups(report.findings)),
        rest=list(_rest(report.findings)),
        planned={step.migration: step for step in report.plan},
        unreached=_unreached(report),
        timeline=timeline.build(report),
        copies={"headings": recovery.headings(report), "rows": recovery.rows(report)},
    )


def _asset(name: str) -> str:
    return (resources.files("migsafe.reports") / _FOLDER / name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """Return a content security policy that allows this style and this script, and nothing else."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("migsafe.reports", _FOLDER),
        autoescape=True,
        finalize=_clean,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(_FILTERS)
    return made


#: What HTML allows in no text: control characters, and code points that are none.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def _clean(value: Any) -> Any:
    """Return what stands in the page for a value: nothing for None, a mark for what is unfit."""
    if value is None:
        return ""
    return _UNFIT.sub("\ufffd", value) if type(value) is str else value


# ---------------------------------------------------------------- the verdict

_GOOD = {
    "audit": "Passed",
    "plan": "Go",
    "verify": "As expected",
    "gate": "Open",
    "lint": "Looked through",
    "snapshot create": "Taken",
}
_REFUSED = {
    "audit": "Not passed",
    "verify": "Not as expected",
    "gate": "Closed",
    "lint": "Hazards found",
    "history": "Not whole",
}
#: By the outcome of a restore, which is None where it is only shown.
_RESTORED = {None: "Not begun", "beside": "Restored beside", "undone": "Undone"}
_WORDS = {
    ExitCode.USAGE: "Not run",
    ExitCode.UNREACHABLE: "Out of reach",
    ExitCode.BUSY: "Busy",
    ExitCode.FAILED: "Failed",
    ExitCode.DIRTY: "Left half-way",
    ExitCode.UNMANAGED: "Without a record",
    ExitCode.BUG: "A bug",
    ExitCode.INTERRUPTED: "Interrupted",
}

#: Commands that write nothing into the database.
_READING = ("status", "audit", "plan", "verify", "gate", "lint", "history", "report")


def _word(report: Report) -> str:
    """Return the verdict in a word or two."""
    code = ExitCode(report.exit_code)
    done = any(step.outcome is Outcome.DONE for step in report.steps)
    if code is ExitCode.FINDINGS:
        return "Applied, with findings" if done else _REFUSED.get(report.command, "Refused")
    if code is not ExitCode.OK:
        return _WORDS[code]
    if report.command == "apply":
        return "Applied" if done else "Go" if report.plan else "Nothing to do"
    if report.command == "restore" and report.restore:
        return _RESTORED.get(report.restore.outcome, "Restored")
    if any(copy.fate == pruning.DUE for copy in report.copies):
        return "Not begun"
    if report.command == "history" and report.findings:
        return "Whole"
    return _GOOD.get(report.command, "Done")


def _tone(code: ExitCode) -> str:
    if code is ExitCode.OK:
        return "good"
    return "warn" if code in (ExitCode.BUSY, ExitCode.INTERRUPTED) else "bad"


def _sentence(report: Report) -> str:
    said = because(report)
    if report.error:
        return said
    if report.exit_code == ExitCode.OK and report.restore:
        said = restored.end(report.restore) or "only shown: this is what a restore would do"
    return f"{said[:1].upper()}{said[1:].removesuffix('.')}."


def _next(report: Report) -> str:
    """Return the next step as a sentence of its own, unless it begins with a command."""
    said = report.next or ""
    return said if said.startswith("migsafe ") else f"{said[:1].upper()}{said[1:]}"


def _changed(report: Report) -> str:
    """Say what became of the database, where that is known."""
    if report.error:
        return ""
    if report.command in _READING:
        return "Nothing was changed in the database: this command only reads."
    if report.command == "restore" and report.restore and report.restore.outcome is None:
        return "Nothing was changed: --yes does it."
    if report.command != "apply":
        return ""
    written = report.baseline.written if report.baseline else ()
    if not report.steps:
        return "" if written else "This run changed nothing in the database."
    done = sum(step.outcome is Outcome.DONE for step in report.steps)
    planned = max(len(report.steps), len(report.plan))
    if done == planned:
        return ""  # the sentence says so
    said = f"{done} of {_counted(planned, 'migration')} applied."
    half = [step.migration for step in report.steps if step.outcome is Outcome.DIRTY]
    return f"{said} A part of {half[0]} may be in effect." if half else said


# ---------------------------------------------------------------- what was checked and found

_SOURCES = {
    Source.HAZARD: "Hazards of statements",
    Source.AUDIT: "Audits from files",
    Source.DERIVED: "Audits derived from the SQL",
    Source.HISTORY: "History and ledger",
    Source.VERIFY: "The live schema",
    Source.REHEARSAL: "Rehearsal",
}


def _checked(report: Report) -> Iterator[tuple[str, Sequence[tuple[str, int | None, str]]]]:
    """Yield each kind of question, with how many answers there were of each sort.

    A hazard that is not there was no question, so that none has passed.
    """
    for source, name in _SOURCES.items():
        own = [finding for finding in report.findings if finding.source is source]
        if not own:
            continue
        states = [_state(finding) for finding in own]
        worst = next(_groups(f for f in own if _state(f) == "found"), None)
        tones = _STATES | {"found": worst.tone if worst else "quiet"}
        counts = {state: states.count(state) for state in tones}
        passed = None if source is Source.HAZARD else counts["passed"]
        yield (
            name,
            [
                (state, count, tones[state])
                for state, count in (counts | {"passed": passed}).items()
            ],
        )


#: What became of a question, and its tone; that of what was found is the one of the worst of it.
_STATES = {"passed": "good", "found": "quiet", "not answered": "warn", "allowed": "quiet"}


def _state(finding: Finding) -> str:
    if finding.suppressed:
        return "allowed"
    sorts = {Status.PASSED: "passed", Status.FAILED: "found", Status.SKIPPED: "not answered"}
    return sorts[finding.status]


class _Group(Struct, frozen=True):
    """Findings that are as grave as each other; `open` shows what each has to say at once."""

    title: str
    tone: str
    findings: Sequence[Finding]
    open: bool = False

    @property
    def long(self) -> bool:
        """Whether a browser had better lay out only what is looked at."""
        return len(self.findings) > _LONG


#: Findings of a group from which on it is long. Arbitrary: a hundred are laid out at once.
_LONG = 100


#: Findings of a group that are shown with their details at once; arbitrary, a page or two.
_OPENED = 12

_SEVERITIES = {
    Severity.ERROR: ("Errors", "bad"),
    Severity.WARNING: ("Warnings", "warn"),
    Severity.INFO: ("Hints", "info"),
}


def _groups(findings: Iterable[Finding]) -> Iterator[_Group]:
    """Yield what was found, the gravest first, and what was not answered."""
    findings = list(findings)
    found = [finding for finding in findings if _state(finding) == "found"]
    for severity, (title, tone) in _SEVERITIES.items():
        own = [finding for finding in found if finding.severity is severity]
        if own:
            yield _Group(title, tone, own, severity is Severity.ERROR and len(own) <= _OPENED)
    if skipped := [finding for finding in findings if _state(finding) == "not answered"]:
        yield _Group("Not answered", "warn", skipped)


def _rest(findings: Iterable[Finding]) -> Iterator[_Group]:
    """Yield what proves that it was looked for: folded away, but there."""
    findings = list(findings)
    for state, title, tone in (("allowed", "Allowed", "quiet"), ("passed", "Passed", "good")):
        if own := [finding for finding in findings if _state(finding) == state]:
            yield _Group(title, tone, own)


def _unreached(report: Report) -> Sequence[Planned]:
    """Return what was planned and has no step, because the run was stopped before it."""
    names = {step.migration for step in report.steps}
    return [planned for planned in report.plan if planned.migration not in names]


# ---------------------------------------------------------------- filters


def _duration(seconds: float) -> str:
    """Write a duration with as much precision as a person wants."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _size(number: int) -> str:
    """Write a number of bytes in the largest unit that it fills."""
    value = float(number)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _breakable(name: str) -> Any:
    """Let a long name break after its underscores."""
    from markupsafe import Markup, escape

    return escape(_clean(name)).replace("_", Markup("_<wbr>"))


def _place(finding: Finding) -> str:
    place = ":".join(str(part) for part in (finding.file, finding.line) if part)
    return place or finding.migration or ""


def _unshown(finding: Finding) -> int:
    return max((finding.count or 0) - len(finding.keys), 0)


_FILTERS: Mapping[str, Callable[..., Any]] = {
    "duration": _duration,
    "size": _size,
    "counted": _counted,
    "breakable": _breakable,
    "place": _place,
    "unshown": _unshown,
    "shown": shown,
    "tone_of": lambda outcome: timeline.TONES[outcome],
}
