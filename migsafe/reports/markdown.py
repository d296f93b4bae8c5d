"""A report as GitHub-flavoured Markdown, for a pull request or a job summary."""

import re
from collections.abc import Iterable, Sequence

from tabulate import tabulate

from migsafe.errors import ExitCode
from migsafe.facts import shown
from migsafe.findings import Finding, Status
from migsafe.reports import Report, recovery, restored


def render(report: Report, *, verbose: bool = False) -> str:  # noqa: ARG001  # always complete
    """Render everything that the report holds."""
    parts = [
        f"# migsafe {report.command}: {ExitCode(report.exit_code).name}",
        _where(report),
        report.error and f"**{_cell(report.error)}**",
        _table("Migrations", ("migration", "state", "applied (UTC)"), _migrations(report)),
        _table("Baseline", ("migration", "verdict", "holds", "does not"), _verdicts(report)),
        _table("Drift", ("fact", "found", "expected"), _drift(report)),
        _table("Plan", ("migration", "statements", "how"), _plan(report)),
        _table("In the way", ("who", "state", "holds", "blocks"), _blockers(report)),
        _table("Findings", ("result", "code", "finding", "what"), _findings(report)),
        "\n\n".join(_offenders(f) for f in report.findings if f.keys),
        _questions(report),
        "\n\n".join(f"```diff\n{fix.diff.rstrip()}\n```" for fix in report.fixes),
        _table("Steps", ("migration", "outcome", "attempts", "seconds", "error"), _steps(report)),
        _table("Columns", ("table", "column", "expected", "found", "data_type"), _columns(report)),
        _table("Differences", ("severity", "fact", "found", "expected"), _differences(report)),
        _snapshot(report),
        _table("Snapshots", recovery.headings(report), recovery.rows(report)),
        restored.markdown(report),
        _table("Runs", ("run", "started", "command", "exit code", "role"), _runs(report)),
        "\n".join(f"- {_cell(note)}" for note in report.notes),
        report.next and f"Next: {report.next}",
    ]
    return "\n\n".join(part for part in parts if part)


def _where(report: Report) -> str:
    lines = [
        f"Run `{report.run}`, {report.started:%Y-%m-%d %H:%M:%S} UTC, exit code "
        f"{report.exit_code} ({ExitCode(report.exit_code).meaning})."
    ]
    if report.target:
        target = report.target
        lines.append(
            f"Target **{target.name}**: database `{target.database}` on `{target.host}`, "
            f"PostgreSQL {target.server_version}."
        )
    if report.history:
        history = report.history
        lines.append(
            f"History `{history.path}` ({history.kind}): {history.state}, "
            f"{len(history.applied)} applied, {len(history.pending)} pending."
        )
    return "\n".join(lines)


def _cell(value: object) -> str:
    return _MARKS.sub(r"\\\g<0>", " ".join(str("" if value is None else value).split()))


#: What Markdown takes for more than text; an underscore does nothing within a word.
_MARKS = re.compile(r"[\\|*<~\[\]]|(?<!\w)_|_(?!\w)")


def _table(title: str, headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        return ""
    names = [_cell(header) for header in headers]
    return f"## {title}\n\n{tabulate(cells, names, tablefmt='github', disable_numparse=True)}"


def _migrations(report: Report) -> Iterable[Sequence[object]]:
    history = report.history
    if history is None or report.command != "status":
        return
    for name in history.applied:
        at = history.finished.get(name)
        state = "edited" if name in history.edited else "done"
        yield name, state, f"{at:%Y-%m-%d %H:%M}" if at else ""
    for state in ("missing", "failed", "pending"):
        for name in getattr(history, state):
            yield name, state, ""


def _verdicts(report: Report) -> Iterable[Sequence[object]]:
    for item in report.baseline.verdicts if report.baseline else ():
        yield item.migration, item.verdict, len(item.present), len(item.absent)


def _drift(report: Report) -> Iterable[Sequence[object]]:
    for item in report.baseline.drift if report.baseline else ():
        yield item.fact, shown(item.found), shown(item.expected)


def _differences(report: Report) -> Iterable[Sequence[object]]:
    for item in report.verification.differences if report.verification else ():
        yield item.severity, item.fact, shown(item.found), shown(item.expected)


def _plan(report: Report) -> Iterable[Sequence[object]]:
    return ((p.migration, p.statements, p.alone or "one transaction") for p in report.plan)


def _blockers(report: Report) -> Iterable[Sequence[object]]:
    for one in report.blockers:
        yield one.who, one.doing, one.holding, ", ".join(place.migration for place in one.blocks)


def _findings(report: Report) -> Iterable[Sequence[object]]:
    for finding in report.findings:
        failed = finding.status is Status.FAILED
        result = finding.severity if failed else finding.status
        remedy = f" {finding.remedy}" if failed and finding.remedy else ""
        yield result, finding.code, finding.name, f"{finding.message}.{remedy}"


def _questions(report: Report) -> str:
    asked = [f"-- {f.name}, {f.file}:{f.line}\n{f.sql};" for f in report.findings if f.sql]
    return "## Questions\n\n```sql\n" + "\n".join(asked) + "\n```" if asked else ""


def _offenders(finding: Finding) -> str:
    rows = [list(key.values()) for key in finding.keys]
    return _table(f"Offenders of {finding.name}", list(finding.keys[0]), rows)


def _steps(report: Report) -> Iterable[Sequence[object]]:
    return ((s.migration, s.outcome, s.attempts, s.seconds, s.error) for s in report.steps)


def _columns(report: Report) -> Iterable[Sequence[object]]:
    columns = report.verification.columns if report.verification else ()
    return ((c.table, c.column, c.expected, c.found or "not there", c.data_type) for c in columns)


def _snapshot(report: Report) -> str:
    taken = report.snapshot
    if taken is None:
        return ""
    return f"Snapshot `{taken.id}` ({taken.provider}). The way back: `{taken.restore}`"


def _runs(report: Report) -> Iterable[Sequence[object]]:
    return ((r.id, r.started, r.command, r.exit_code, r.role) for r in report.runs)
