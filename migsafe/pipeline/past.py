"""Past runs, from the ledger and from the files of this checkout."""

from pathlib import Path

from migsafe import ledger, reports
from migsafe.config import Settings
from migsafe.errors import ExitCode, UsageError, nearest
from migsafe.pipeline.session import KEPT, opened
from migsafe.reports import Report


def history(settings: Settings, *, limit: int = 20) -> Report:
    """List past runs from the ledger, newest first."""
    with opened(settings, "history", None) as session:
        runs = tuple(ledger.runs(session.conn, limit=limit))
        notes = () if runs else ("No run of migsafe has changed this target.",)
        advice = "migsafe report RUN" if runs else None
        return session.report(ExitCode.OK, runs=runs, notes=notes, next=advice)


def report(settings: Settings, run: str) -> Report:
    """Read one past report back from the ledger, or from the files of this checkout."""
    file = settings.root / KEPT / "reports" / f"{run}.json"
    if Path(run).name == run and file.is_file():
        return _parsed(str(file), file.read_text("utf-8"))
    with opened(settings, "report", None) as session:
        text, known = ledger.report(session.conn, run), ledger.names(session.conn)
    if text is None:
        raise UsageError(
            run, "there is no such run", nearest(run, known) or "migsafe history lists them"
        )
    return _parsed(run, text)


def _parsed(place: str, text: str) -> Report:
    try:
        return reports.parse(text)
    except ValueError:
        raise UsageError(place, "is not a report of migsafe", "check the run's id") from None
