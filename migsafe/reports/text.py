"""A report for a terminal of 80 columns: what was found first, the next step last."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import click

from migsafe.errors import ExitCode
from migsafe.facts import shown
from migsafe.findings import Finding, Severity, Source, Status
from migsafe.reports import BaselineInfo, Report, VerdictInfo, places, recovery, restored

WIDTH = 80

Row = tuple[object, ...]
_COLOUR = {
    "passed": "green",
    "done": "green",
    "error": "red",
    "failed": "red",
    "dirty": "red",
    "in effect": "green",
    "partial": "red",
    "skipped": "yellow",
    "undecidable": "yellow",
    "warning": "yellow",
    "busy": "yellow",
}


def render(report: Report, *, verbose: bool = False) -> str:
    """Render as text; colours are ANSI codes that `click.echo` strips off a terminal."""
    parts = [
        _heading(report),
        _history(report, verbose=verbose),
        _baseline(report, verbose=verbose),
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
        "\n".join(_wrapped(note) for note in report.notes),
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


def table(rows: Iterable[Sequence[object]], headers: Sequence[str], widths: Sequence[int]) -> str:
    """Lay rows out as a table whose columns wrap at `widths` characters; empty without rows."""
    from tabulate import tabulate

    cells = [[_Text(cell) for cell in row] for row in rows]
    if not cells:
        return ""
    return tabulate(cells, headers=headers, maxcolwidths=list(widths), disable_numparse=True)


class _Text(str):
    """A cell that stays as it is.

    tabulate 0.10 reads a cell that it wraps as a number or a bool all the same (``1,000`` fails,
    ``False`` becomes True), but for what has `isoformat`.
    """

    __slots__ = ()
    isoformat = None


def painted(word: str) -> str:
    """Colour a status, severity or outcome."""
    return click.style(word, fg=_COLOUR.get(word))


#: Rows of a list of migrations shown without -v. Arbitrary, half a screen.
_LISTED = 12


def _last(rows: Sequence[Row], verbose: bool) -> Sequence[Row]:
    """Keep the last rows of a long list, and say how many went before."""
    if verbose or len(rows) <= _LISTED:
        return rows
    hidden = len(rows) - _LISTED + 1
    blank = ("",) * (len(rows[0]) - 1)
    return [(f"… {hidden} before these (-v shows them)", *blank), *rows[1 - _LISTED :]]


def _first(rows: Sequence[Row], verbose: bool) -> Sequence[Row]:
    """Keep the first rows of a long list, and say how many come after."""
    if verbose or len(rows) <= _LISTED:
        return rows
    hidden = len(rows) - _LISTED + 1
    return [*rows[: _LISTED - 1], (f"… {hidden} after these (-v shows them)", *rows[-1][1:])]


def _history(report: Report, *, verbose: bool) -> str:
    history = report.history
    if history is None or report.command not in ("status", "plan"):
        return ""
    summary = (
        f"{history.kind} history in {history.path}: {history.state}, "
        f"{len(history.applied)} applied, {len(history.pending)} pending"
    )
    if report.command == "plan":
        return _wrapped(summary)
    rows = list(_migrations(report, verbose=verbose))
    listed = table(rows, ("migration", "state", "applied (UTC)"), (50, 10, 16)) if rows else ""
    return "\n\n".join(part for part in (_wrapped(summary), listed) if part)


#: Applied migrations shown without -v. Arbitrary: enough to see where the history stands.
_RECENT = 5


def _migrations(report: Report, *, verbose: bool) -> Iterator[Row]:
    history = report.history
    if history is None:
        return
    shown = history.applied if verbose else history.applied[-_RECENT:]
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
    yield from _first(rows, verbose)


def _baseline(report: Report, *, verbose: bool) -> str:
    """Say of each migration whether it is in effect, and by how many facts."""
    found = report.baseline
    if found is None:
        return ""
    recorded = f"{_counted(len(found.written), 'migration')} recorded as applied."
    if report.steps and not verbose:  # what was pending is not, by now
        return f"{_wrapped(_replayed(report))}\n\n{recorded}"
    rows = list(_judged(found, _doubted(report), verbose=verbose))
    against = [] if verbose else [v for v in found.verdicts if v.verdict in _EXPLAINED]
    told = found.verdicts if verbose else against[:_EXPLAINED_AT_ONCE]
    parts = [
        _wrapped(_replayed(report)),
        recorded if found.written and report.command != "baseline" else "",
        table(rows, ("migration", "verdict", "facts that hold"), (46, 11, 18)),
        *(_reasons(item, verbose=verbose) for item in told),
        _drift(found, told, verbose=verbose),
    ]
    return "\n\n".join(part for part in parts if part)


def _judged(found: BaselineInfo, doubted: set[str], *, verbose: bool) -> Iterator[Row]:
    """Yield a row a verdict; of a long list what is plain is counted before and after the rest."""
    plain = set() if verbose else _plain(found) - doubted
    left = () if verbose else found.pending[_LISTED:]
    late = {v.migration for v in found.verdicts if v.verdict == "pending"}.intersection(left)
    if plain:
        yield f"… {len(plain)} more in effect (-v shows them)", "", ""
    for item in found.verdicts:
        if item.migration not in plain | late:
            yield item.migration, painted(item.verdict), _counts(item)
    if late:
        yield f"… {len(late)} more pending (-v shows them)", "", ""


def _doubted(report: Report) -> set[str]:
    """Return what is called in effect for its place alone and is not recorded unless assumed."""
    found = report.baseline
    named = {f.migration for f in report.findings if f.code == "MH115" and not _is_hint(f)}
    return {name for name in (found.in_effect if found else ()) if name in named}


#: Verdicts that a reader wants to see the facts of, and how many at once; arbitrary.
_EXPLAINED = ("pending", "skipped", "partial")
_EXPLAINED_AT_ONCE = 3


def _plain(found: BaselineInfo) -> set[str]:
    """Return the migrations that are shown only with -v: all in effect but the last few."""
    return set(found.in_effect[:-_RECENT]) if len(found.verdicts) > _LISTED else set()


def _counts(item: VerdictInfo) -> str:
    present, all_ = len(item.present), len(item.present) + len(item.absent)
    if not all_:
        return "no fact of its own" if not item.changed else "changed since"
    return f"{present} of {all_}" if item.absent else f"all {present}"


def _replayed(report: Report) -> str:
    found = report.baseline
    assert found is not None  # noqa: S101  # the caller has looked
    stand_ins = f", with stand-ins for {', '.join(found.stand_ins)}" if found.stand_ins else ""
    return (
        f"Replayed {_counted(found.replayed, 'migration')} on PostgreSQL {found.server}"
        f"{stand_ins}. "
        f"{'The live schema equals' if found.exact else 'The live schema is nearest to'} the state "
        f"after {' or '.join(found.nearest[-2:])}{_away(found)}."
    )


def _away(found: BaselineInfo) -> str:
    """Say by how much the live schema differs from the nearest state."""
    if found.distance:
        return f", with {_counted(found.distance, 'difference')}"
    more = 0 if found.exact else len(found.drift)
    return f", with {_counted(more, 'fact')} more" if more else ""


def _reasons(item: VerdictInfo, *, verbose: bool) -> str:
    """List the facts of one migration, those that do not hold first."""
    facts = [*item.absent, *item.changed, *(item.present if verbose else ())]
    if not facts:
        return ""
    shown = facts if verbose else facts[:_RECENT]
    lines = [f"{click.style(item.migration, bold=True)}  {item.verdict}"]
    lines += [_wrapped(str(fact), indent="  ") for fact in shown]
    if len(facts) > len(shown):
        lines.append(f"  … {len(facts) - len(shown)} more (-v shows them)")
    return "\n".join(lines)


def _drift(found: BaselineInfo, told: Sequence[VerdictInfo], *, verbose: bool) -> str:
    """List what the verdicts do not account for, without the facts that `told` have shown."""
    known = {fact.fact for item in told for fact in (*item.absent, *item.changed)}
    drift = [fact for fact in found.drift if fact.fact not in known]
    if not drift:
        return ""
    shown = drift if verbose else drift[:_LISTED]
    lines = [f"{_counted(len(drift), 'fact')} that no migration explains:"]
    lines += [_wrapped(str(fact), indent="  ") for fact in shown]
    if len(drift) > len(shown):
        lines.append(f"  … {len(drift) - len(shown)} more (-v shows them)")
    return "\n".join(lines)


def _plan(report: Report, *, verbose: bool) -> str:
    """List what would run, where it has not run yet, and where it is known what is in effect."""
    if not report.plan or report.steps or report.exit_code == ExitCode.UNMANAGED:
        return ""
    rows = [
        (step.migration, step.statements, step.alone or "one transaction") for step in report.plan
    ]
    return table(_first(rows, verbose), ("would run", "statements", "how"), (46, 10, 18))


def _blockers(report: Report, *, verbose: bool) -> str:
    """List who was in the way before the run, unless all of it got through."""
    through = report.steps and all(str(step.outcome) == "done" for step in report.steps)
    if not report.blockers or through:
        return ""
    rows = [(one.who, one.doing, one.holding) for one in report.blockers]
    hidden = 0 if verbose else max(len(rows) - _LISTED, 0)
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
    hints = [(f.code, f.name) for f in findings if _is_hint(f)]
    all_, seen = Counter(hints), Counter[tuple[str, str]]()
    for finding in findings:
        alike, message = (finding.code, finding.name), finding.message
        seen[alike] += _is_hint(finding)
        more = all_[alike] - _ALIKE
        if more > 1 and not verbose and _is_hint(finding):
            if seen[alike] > _ALIKE + 1:
                continue
            if seen[alike] == _ALIKE + 1:
                message = f"… {more} more of these (-v shows them)"
        yield _state(finding), *alike, message


def _is_hint(finding: Finding) -> bool:
    open_ = finding.status is Status.FAILED and not finding.suppressed
    return open_ and finding.severity is Severity.INFO


def _passed(report: Report, *, verbose: bool) -> str:
    """Count the derived audits that passed, where they are not listed."""
    passed = sum(f.source is Source.DERIVED and f.status is Status.PASSED for f in report.findings)
    if verbose or not passed or report.command not in ("audit", "plan"):
        return ""
    return f"{_counted(passed, 'derived audit')} passed (-v shows them)"


def _questions(report: Report) -> str:
    """Show the SQL of derived audits, where that was asked for."""
    asked = [f for f in report.findings if f.sql]
    parts = (
        f"{click.style(f.name, bold=True)}  {f.file}:{f.line}\n{_wrapped(f'{f.sql};', indent='  ')}"
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
    often = Counter(f"{f.code} {f.name}" for f in found).most_common(_RECENT)
    return _wrapped(f"Most often: {', '.join(f'{rule} ({count})' for rule, count in often)}.")


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
        lines.append(_wrapped(f"→ {finding.remedy}", indent="  "))
    return "\n".join(lines)


def _offenders(finding: Finding) -> str:
    """List the key columns of the offenders: in one paragraph where there is one column."""
    from tabulate import tabulate

    hidden = (finding.count or 0) - len(finding.keys)
    more = f"… and {hidden} more" if hidden > 0 else ""
    names = list(finding.keys[0])
    if len(names) == 1:
        values = [str(key[names[0]]) for key in finding.keys] + [more] * bool(more)
        return _wrapped(f"{names[0]}: {', '.join(values)}", indent="  ")
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
    listed = table(
        _last(rows, verbose), ("migration", "outcome", "attempts", "time"), (47, 8, 8, 8)
    )
    errors = [
        _wrapped(f"{step.migration}{f':{step.line}' if step.line else ''}: {step.error}")
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
    listed = rows if verbose else rows[:_LISTED]
    text = table(listed, ("", "fact", "found", "expected"), (8, 34, 15, 15))
    hidden = len(rows) - len(listed)
    return f"{text}\n… {hidden} more (-v shows them)" if hidden else text


def _snapshot(report: Report) -> str:
    taken = report.snapshot
    if taken is None:
        return ""
    size = "" if taken.size is None else f", {taken.size} bytes"
    return _wrapped(f"Snapshot ({taken.provider}): {taken.id}{size}.") + (
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
        lines.append(_wrapped(f"Next: {report.next}"))
    return "\n".join(lines)


def because(report: Report) -> str:
    """Say why a run ended as it did, without its code."""
    code = ExitCode(report.exit_code)
    if report.error:
        return report.error
    failed = [f for f in report.findings if f.status is Status.FAILED and not f.suppressed]
    errors = sum(f.severity is Severity.ERROR for f in failed)
    if code is ExitCode.FINDINGS:
        return f"{_counted(errors, 'error')}, {_counted(len(failed) - errors, 'other finding')}"
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
        "audit": f"{_counted(passed, 'audit')} passed" if report.findings else "nothing was asked",
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
    return f"go: {_counted(planned, 'migration')} to apply" if planned else "nothing to apply"


def _waiting(report: Report) -> str:
    pending = len(report.history.pending) if report.history else 0
    return f"{_counted(pending, 'migration')} pending" if pending else "nothing is pending"


def _only_shown(report: Report) -> bool:
    return report.restore is not None and report.restore.outcome is None


def _open(report: Report) -> str:
    """Say what a gate has seen: the record, and how much of the schema."""
    applied = len(report.history.applied) if report.history else 0
    seen = f"{_compared(report)} as expected" if report.verification else "nothing compared"
    return f"{_counted(applied, 'migration')} recorded, {seen}"


def _linted(report: Report) -> str:
    found = [f for f in report.findings if f.status is Status.FAILED and not f.suppressed]
    counts = [(sum(f.severity is severity for f in found), severity) for severity in Severity]
    said = [_counted(number, _NOUN[severity]) for number, severity in counts if number]
    return ", ".join(said) or "no hazard found"


_NOUN = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "hint"}


def _compared(report: Report) -> str:
    found = report.verification
    if found is None:
        return "nothing"
    columns = _counted(len(found.columns), "declared column")
    return columns if found.facts is None else f"{columns} and {_counted(found.facts, 'fact')}"


def _applied(report: Report) -> str:
    recorded = len(report.baseline.written) if report.baseline else 0
    said = [f"{_counted(recorded, 'migration')} recorded"] * bool(recorded)
    said += [f"{_counted(len(report.steps), 'migration')} applied"] * bool(report.steps)
    return ", ".join(said) or _ahead(report)


def _baselined(report: Report) -> str:
    found = report.baseline
    if found is None:
        return ""
    if found.written:
        return f"{_counted(len(found.written), 'migration')} recorded as applied"
    doubted = len(_doubted(report))
    said = [f"{len(found.in_effect) - doubted} in effect", f"{len(found.pending)} pending"]
    said += [f"{len(found.skipped)} skipped"] * bool(found.skipped)
    said += [f"{doubted} undecided"] * bool(doubted)
    return ", ".join(said)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _wrapped(text: str, *, indent: str = "") -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
