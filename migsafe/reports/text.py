"""A report for a terminal of 80 columns: what was found first, the next step last."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

import click

from migsafe.errors import ExitCode
from migsafe.facts import shown
from migsafe.findings import Finding, Severity, Source, Status
from migsafe.reports import Report, places, recovery, restored, verdicts
from migsafe.reports.reasons import because, counted, is_hint
from migsafe.reports.terminal import (
    LISTED,
    RECENT,
    WIDTH,
    Row,
    first,
    last,
    painted,
    table,
    wrapped,
)


def render(report: Report, *, verbose: bool = False) -> str:
    """Render as text; colours are ANSI codes that `click.echo` strips off a terminal."""
    parts = [
        _heading(report),
        _history(report, verbose=verbose),
        verdicts.listed(report, verbose=verbose),
        _plan(report, verbose=verbose),
        _blockers(report, verbose=verbose),
        _findings(report, verbose=verbose),
        _questions(report),
        _hazards(report, verbose=verbose),
        "\n".join(places.painted_diff(fix.diff) for fix in report.fixes),
        _steps(report, verbose=verbose),
        _verification(report),
        _differences(report, verbose=verbose),
        _snapshot(report),
        _copies(report),
        restored.text(report, WIDTH),
        _runs(report),
        "\n".join(wrapped(note) for note in report.notes),
        _verdict(report),
    ]
    return "\n\n".join(part for part in parts if part)


def _heading(report: Report) -> str:
    parts = [click.style(f"migsafe {report.command}", bold=True)]
    if report.target:
        where = f"{report.target.host}:{report.target.port}/{report.target.database}"
        if report.target.host.startswith("/"):
            where = f"{report.target.database} (local socket)"
        parts.append(f"{report.target.name}: {where}, PostgreSQL {report.target.server_version}")
    return " · ".join(parts)


def _history(report: Report, *, verbose: bool) -> str:
    history = report.history
    if history is None or report.command not in ("status", "plan"):
        return ""
    summary = (
        f"{history.kind} history in {history.path}: {history.state}, "
        f"{len(history.applied)} applied, {len(history.pending)} pending"
    )
    if report.command == "plan":
        return wrapped(summary)
    rows = list(_migrations(report, verbose=verbose))
    listed = table(rows, ("migration", "state", "applied (UTC)"), (50, 10, 16)) if rows else ""
    return "\n\n".join(part for part in (wrapped(summary), listed) if part)


def _migrations(report: Report, *, verbose: bool) -> Iterator[Row]:
    history = report.history
    if history is None:
        return
    shown = history.applied if verbose else history.applied[-RECENT:]
    hidden = len(history.applied) - len(shown)
    if hidden:
        yield f"… {hidden} older ones (-v shows them)", painted("done"), ""
    for name in shown:
        at = history.finished.get(name)
        state = "edited" if name in history.edited else "done"
        yield name, painted(state), f"{at:%Y-%m-%d %H:%M}" if at else ""
    for state in ("missing", "failed"):
        for name in getattr(history, state):
            yield name, painted(state), ""
    rows = [(name, painted("pending"), "") for name in history.pending]
    yield from first(rows, verbose)


def _plan(report: Report, *, verbose: bool) -> str:
    """List what would run, where it has not run yet, and where it is known what is in effect."""
    if not report.plan or report.steps or report.exit_code == ExitCode.UNMANAGED:
        return ""
    rows = [
        (step.migration, step.statements, step.alone or "one transaction") for step in report.plan
    ]
    return table(first(rows, verbose), ("would run", "statements", "how"), (46, 10, 18))


def _blockers(report: Report, *, verbose: bool) -> str:
    """List who was in the way before the run, unless all of it got through."""
    through = report.steps and all(str(step.outcome) == "done" for step in report.steps)
    if not report.blockers or through:
        return ""
    rows = [(one.who, one.doing, one.holding) for one in report.blockers]
    hidden = 0 if verbose else max(len(rows) - LISTED, 0)
    listed = table(rows[: len(rows) - hidden], ("in the way", "state", "what"), (30, 20, 24))
    return f"{listed}\n… {hidden} more (-v shows them)" if hidden else listed


def _findings(report: Report, *, verbose: bool) -> str:
    every = verbose or report.command in ("audit", "plan")
    # The verification table shows the columns already, and the rest of derived audits is many.
    shown = [
        f
        for f in report.findings
        if f.source is not Source.HAZARD
        and (f.status is Status.FAILED or (every and f.source is not Source.VERIFY))
        and (f.status is not Status.PASSED or f.source is not Source.DERIVED or verbose)
    ]
    if not shown:
        return _passed(report, verbose=verbose)
    shown.sort(key=_gravity)
    rows = _found(shown, verbose=verbose)
    listed = table(rows, ("result", "code", "finding", "what"), (8, 6, 19, 38))
    open_ = [f for f in shown if f.status is Status.FAILED and not f.suppressed]
    details = dict.fromkeys(_detail(f) for f in open_)
    return "\n\n".join(filter(None, [listed, _passed(report, verbose=verbose), *details]))


#: Hints of one code and name shown without -v. Arbitrary, enough to see what they are about.
_ALIKE = 3


def _found(findings: Sequence[Finding], *, verbose: bool) -> Iterator[Row]:
    """Yield a row a finding, but of many hints that are alike the first, and how many follow."""
    hints = [(f.code, f.name) for f in findings if is_hint(f)]
    all_, seen = Counter(hints), Counter[tuple[str, str]]()
    for finding in findings:
        alike, message = (finding.code, finding.name), finding.message
        seen[alike] += is_hint(finding)
        more = all_[alike] - _ALIKE
        if more > 1 and not verbose and is_hint(finding):
            if seen[alike] > _ALIKE + 1:
                continue
            if seen[alike] == _ALIKE + 1:
                message = f"… {more} more of these (-v shows them)"
        yield _state(finding), *alike, message


def _passed(report: Report, *, verbose: bool) -> str:
    """Count the derived audits that passed, where they are not listed."""
    passed = sum(f.source is Source.DERIVED and f.status is Status.PASSED for f in report.findings)
    if verbose or not passed or report.command not in ("audit", "plan"):
        return ""
    return f"{counted(passed, 'derived audit')} passed (-v shows them)"


def _questions(report: Report) -> str:
    """Show the SQL of derived audits, where that was asked for."""
    asked = [f for f in report.findings if f.sql]
    parts = (
        f"{click.style(f.name, bold=True)}  {f.file}:{f.line}\n{wrapped(f'{f.sql};', indent='  ')}"
        for f in asked
    )
    return "\n\n".join(["Questions:", *dict.fromkeys(parts)]) if asked else ""


def _hazards(report: Report, *, verbose: bool) -> str:
    """List the hazards by their place; hints and what is allowed are counted unless `verbose`."""
    found = [f for f in report.findings if f.source is Source.HAZARD]
    allowed = [f for f in found if f.suppressed]
    hints = [f for f in found if f.severity is Severity.INFO and not f.suppressed]
    hidden = [] if verbose else [*allowed, *(() if report.command == "lint" else hints)]
    listed = places.render([f for f in found if f not in hidden], verbose=verbose)
    if not hidden:
        return "\n\n".join(filter(None, (listed, _most_often(found))))
    counts = [(allowed, "hazard allowed by a comment", "hazards allowed by comments")]
    if report.command != "lint":
        counts.append((hints, "hint", "hints"))
    said = [f"{len(some)} {one if len(some) == 1 else more}" for some, one, more in counts if some]
    return "\n\n".join(filter(None, (listed, f"{' and '.join(said)} (-v shows them)")))


#: Hazards of one lint above which they are counted by rule as well. Arbitrary, two screens or so.
_MANY = 20


def _most_often(found: Sequence[Finding]) -> str:
    """Count a long list of hazards by rule, so that its end says what to begin with."""
    if len(found) <= _MANY:
        return ""
    often = Counter(f"{f.code} {f.name}" for f in found).most_common(RECENT)
    return wrapped(f"Most often: {', '.join(f'{rule} ({count})' for rule, count in often)}.")


def _gravity(finding: Finding) -> int:
    order = (Severity.ERROR, Severity.WARNING, Severity.INFO)
    failed = finding.status is Status.FAILED and not finding.suppressed
    return order.index(finding.severity) if failed else len(order)


def _state(finding: Finding) -> str:
    if finding.suppressed:
        return "allowed"
    return painted(str(finding.severity if finding.status is Status.FAILED else finding.status))


def _detail(finding: Finding) -> str:
    place = ":".join(str(part) for part in (finding.file, finding.line) if part)
    apart = "  " if len(finding.name) + len(place) < WIDTH - 2 else "\n  "
    lines = [f"{click.style(finding.name, bold=True)}{f'{apart}{place}' if place else ''}"]
    if finding.keys:
        lines.append(_offenders(finding))
    if finding.remedy:
        lines.append(wrapped(f"→ {finding.remedy}", indent="  "))
    return "\n".join(lines)


def _offenders(finding: Finding) -> str:
    """List the key columns of the offenders: in one paragraph where there is one column."""
    from tabulate import tabulate

    hidden = (finding.count or 0) - len(finding.keys)
    more = f"… and {hidden} more" if hidden > 0 else ""
    names = list(finding.keys[0])
    if len(names) == 1:
        values = [str(key[names[0]]) for key in finding.keys] + [more] * bool(more)
        return wrapped(f"{names[0]}: {', '.join(values)}", indent="  ")
    rows = [tuple(key.values()) for key in finding.keys]
    listed = tabulate(rows, headers=names, disable_numparse=True)
    return textwrap.indent(f"{listed}\n{more}".rstrip(), "  ")


def _steps(report: Report, *, verbose: bool) -> str:
    if not report.steps:
        return ""
    rows = [
        (step.migration, painted(str(step.outcome)), step.attempts or "", f"{step.seconds:.2f} s")
        for step in report.steps
    ]
    listed = table(last(rows, verbose), ("migration", "outcome", "attempts", "time"), (47, 8, 8, 8))
    errors = [
        wrapped(f"{step.migration}{f':{step.line}' if step.line else ''}: {step.error}")
        for step in report.steps
        if step.error
    ]
    return "\n\n".join([listed, *errors])


def _verification(report: Report) -> str:
    if not report.verification or not report.verification.columns:
        return ""
    rows = [
        (
            column.table,
            column.column,
            column.expected or "",
            column.found or "not there",
            column.data_type or "",
            painted("passed" if column.ok else "failed"),
        )
        for column in report.verification.columns
    ]
    headers = ("table", "column", "nullable\nexpected", "nullable\nfound", "data_type", "")
    return table(rows, headers, (18, 18, 8, 9, 14, 6))


def _differences(report: Report, *, verbose: bool) -> str:
    found = report.verification.differences if report.verification else ()
    if not found:
        return ""
    rows = [
        (
            painted(str(item.severity)),
            item.fact,
            shown(item.found, item.expected),
            shown(item.expected, item.found),
        )
        for item in found
    ]
    listed = rows if verbose else rows[:LISTED]
    text = table(listed, ("", "fact", "found", "expected"), (8, 34, 15, 15))
    hidden = len(rows) - len(listed)
    return f"{text}\n… {hidden} more (-v shows them)" if hidden else text


def _snapshot(report: Report) -> str:
    taken = report.snapshot
    if taken is None:
        return ""
    size = "" if taken.size is None else f", {taken.size} bytes"
    return wrapped(f"Snapshot ({taken.provider}): {taken.id}{size}.") + (
        f"\nThe way back: {taken.restore}"
    )


def _copies(report: Report) -> str:
    if not report.copies:
        return ""
    rows = [row[:-1] for row in recovery.rows(report)]  # a name in AWS is too wide
    return table(rows, recovery.headings(report)[:-1], recovery.widths(report))


def _runs(report: Report) -> str:
    if not report.runs:
        return ""
    rows = [
        (run.id, f"{run.started:%Y-%m-%d %H:%M}", run.command, _code(run.exit_code), run.role)
        for run in report.runs
    ]
    return table(rows, ("run", "started (UTC)", "command", "exit", "role"), (26, 16, 10, 12, 12))


def _code(code: int) -> str:
    return f"{code} {ExitCode(code).name}"


def _verdict(report: Report) -> str:
    code = ExitCode(report.exit_code)
    colour = "green" if code is ExitCode.OK else "red"
    first = click.style(f"{code.name}", fg=colour, bold=True)
    lines = [f"{first} (exit {int(code)}): {because(report)}"]
    if report.next:
        lines.append(wrapped(f"Next: {report.next}"))
    return "\n".join(lines)
