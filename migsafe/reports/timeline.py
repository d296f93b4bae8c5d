"""When the steps of a run were, for a picture. What a report does not know is not placed."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from migsafe.outcomes import Outcome, StepResult
from migsafe.reports import Report


class Bar(Struct, frozen=True, kw_only=True):
    """A stretch of the run, in thousandths of it; `held` is the end of it that was one transaction.

    `tone` is None for what is known only to have been no migration.
    """

    label: str
    seconds: float
    start: int
    width: int
    held: int = 0
    tone: str | None = None


class Timeline(Struct, frozen=True, kw_only=True):
    """The stretches in the order of time; `snapshot` is when it was taken, in thousandths."""

    bars: Sequence[Bar]
    seconds: float
    left_out: int
    snapshot: int | None


#: Steps that are drawn, the longest ones; arbitrary, what a page holds.
_DRAWN = 40

TONES = {
    Outcome.DONE: "info",
    Outcome.BUSY: "warn",
    Outcome.FAILED: "bad",
    Outcome.DIRTY: "bad",
    Outcome.SKIPPED: "quiet",
}


def build(report: Report) -> Timeline | None:
    """Place the steps in the time of the run; None where it is not known when they began."""
    known = [(_offset(report, step.began), step) for step in report.steps if step.began]
    if not known:
        return None
    first, end = known[0][0], max(offset + step.seconds for offset, step in known)
    total = max(report.seconds, end) or 1.0
    longest = sorted(known, key=lambda item: item[1].seconds, reverse=True)[:_DRAWN]
    bars = [_bar(offset, step, total) for offset, step in known if (offset, step) in longest]
    before = _plain(
        f"Before: reading, asking{', snapshot' * bool(report.snapshot)}", 0.0, first, total
    )
    after = _plain("After: comparing, recording", end, total, total)
    taken = _offset(report, report.snapshot.taken) if report.snapshot else None
    return Timeline(
        bars=[before, *bars, after],
        seconds=total,
        left_out=len(known) - len(bars),
        snapshot=None if taken is None or taken > total else round(1000 * taken / total),
    )


def _offset(report: Report, moment: datetime) -> float:
    return max((moment - report.started).total_seconds(), 0.0)


def _bar(offset: float, step: StepResult, total: float) -> Bar:
    bar = _plain(step.migration, offset, offset + step.seconds, total)
    held = min(round(1000 * (step.held or 0.0) / total), bar.width)
    return Bar(
        label=bar.label,
        seconds=step.seconds,
        start=bar.start,
        width=bar.width,
        held=max(held, 3) if step.held else 0,
        tone=TONES[step.outcome],
    )


def _plain(label: str, start: float, end: float, total: float) -> Bar:
    """Build a bar that is wide enough to be seen, and that stays inside."""
    width = max(round(1000 * (end - start) / total), 3)
    return Bar(
        label=label,
        seconds=end - start,
        start=min(round(1000 * start / total), 1000 - min(width, 1000)),
        width=min(width, 1000),
    )
