"""Why a run ended as it did, in one line with its numbers."""

from migsafe.errors import ExitCode
from migsafe.findings import Finding, Severity, Status
from migsafe.reports import Report, recovery


def because(report: Report) -> str:
    """Say why a run ended as it did, without its code."""
    code = ExitCode(report.exit_code)
    if report.error:
        return report.error
    failed = [f for f in report.findings if f.status is Status.FAILED and not f.suppressed]
    errors = sum(f.severity is Severity.ERROR for f in failed)
    if code is ExitCode.FINDINGS:
        return f"{counted(errors, 'error')}, {counted(len(failed) - errors, 'other finding')}"
    if code is not ExitCode.OK:
        return code.meaning
    return _achieved(report) or "done"


def _achieved(report: Report) -> str:
    """Say what a good end proved, with its numbers."""
    passed = sum(f.status is Status.PASSED for f in report.findings)
    checked = _compared(report)
    said = {
        "apply": _applied(report),
        "status": _waiting(report),
        "audit": f"{counted(passed, 'audit')} passed" if report.findings else "nothing was asked",
        "plan": _ahead(report),
        "baseline": _baselined(report),
        "verify": f"{checked} as expected",
        "gate": _open(report),
        "lint": _linted(report),
        "restore": "nothing was changed" * _only_shown(report),
        "snapshot create": "the snapshot is taken, and what a restore needs is written down",
        "snapshot list": recovery.counted(report),
        "snapshot prune": recovery.counted(report),
        "history": "no run was removed or edited, as far as can be told" * bool(report.findings),
    }
    return said.get(report.command, "")


def _ahead(report: Report) -> str:
    """Say what would run, or that there is nothing."""
    planned = len(report.plan)
    return f"go: {counted(planned, 'migration')} to apply" if planned else "nothing to apply"


def _waiting(report: Report) -> str:
    pending = len(report.history.pending) if report.history else 0
    return f"{counted(pending, 'migration')} pending" if pending else "nothing is pending"


def _only_shown(report: Report) -> bool:
    return report.restore is not None and report.restore.outcome is None


def _open(report: Report) -> str:
    """Say what a gate has seen: the record, and how much of the schema."""
    applied = len(report.history.applied) if report.history else 0
    seen = f"{_compared(report)} as expected" if report.verification else "nothing compared"
    return f"{counted(applied, 'migration')} recorded, {seen}"


def _linted(report: Report) -> str:
    found = [f for f in report.findings if f.status is Status.FAILED and not f.suppressed]
    counts = [(sum(f.severity is severity for f in found), severity) for severity in Severity]
    said = [counted(number, _NOUN[severity]) for number, severity in counts if number]
    return ", ".join(said) or "no hazard found"


_NOUN = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "hint"}


def _compared(report: Report) -> str:
    found = report.verification
    if found is None:
        return "nothing"
    columns = counted(len(found.columns), "declared column")
    return columns if found.facts is None else f"{columns} and {counted(found.facts, 'fact')}"


def _applied(report: Report) -> str:
    recorded = len(report.baseline.written) if report.baseline else 0
    said = [f"{counted(recorded, 'migration')} recorded"] * bool(recorded)
    said += [f"{counted(len(report.steps), 'migration')} applied"] * bool(report.steps)
    return ", ".join(said) or _ahead(report)


def _baselined(report: Report) -> str:
    found = report.baseline
    if found is None:
        return ""
    if found.written:
        return f"{counted(len(found.written), 'migration')} recorded as applied"
    unsure = len(doubted(report))
    said = [f"{len(found.in_effect) - unsure} in effect", f"{len(found.pending)} pending"]
    said += [f"{len(found.skipped)} skipped"] * bool(found.skipped)
    said += [f"{unsure} undecided"] * bool(unsure)
    return ", ".join(said)


def doubted(report: Report) -> set[str]:
    """Return what is called in effect for its place alone and is not recorded unless assumed."""
    found = report.baseline
    named = {f.migration for f in report.findings if f.code == "MH115" and not is_hint(f)}
    return {name for name in (found.in_effect if found else ()) if name in named}


def is_hint(finding: Finding) -> bool:
    """Tell whether a finding asks for nothing."""
    open_ = finding.status is Status.FAILED and not finding.suppressed
    return open_ and finding.severity is Severity.INFO


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
