"""The copies of a target as a table, for text and for Markdown."""

from collections import Counter
from collections.abc import Iterator

from migsafe.reports import Report
from migsafe.snapshots import Copy

_LISTED = ("run", "taken (UTC)", "status", "size", "kept until", "snapshot")

#: With what becomes of each when old ones are deleted.
_JUDGED = ("run", "taken (UTC)", "fate", "why", "snapshot")


def headings(report: Report) -> tuple[str, ...]:
    """Return the headings of the columns; the name of the copy is last."""
    return _JUDGED if _judged(report) else _LISTED


def widths(report: Report) -> tuple[int, ...]:
    """Return how wide a terminal shows the columns, without the last one."""
    return (26, 16, 9, 20) if _judged(report) else (26, 16, 9, 8, 10)


def rows(report: Report) -> Iterator[tuple[object, ...]]:
    """Yield a row for each copy, in the order of the report."""
    for copy in report.copies:
        taken = f"{copy.taken:%Y-%m-%d %H:%M}"
        if _judged(report):
            yield copy.run, taken, copy.fate, copy.why, copy.id
        else:
            yield copy.run, taken, copy.status, _size(copy), _until(copy), copy.id


def counted(report: Report) -> str:
    """Say how many copies there are, or how many of each fate."""
    if not _judged(report):
        return f"{len(report.copies)} snapshot{'s' * (len(report.copies) != 1)}"
    fates = Counter(copy.fate for copy in report.copies)
    return ", ".join(f"{number} {fate}" for fate, number in sorted(fates.items()))


def _judged(report: Report) -> bool:
    """Tell whether the report is about deleting old ones."""
    return any(copy.fate for copy in report.copies)


def _size(copy: Copy) -> str:
    """Write a size in the unit that leaves it short; AWS does not always say one."""
    if copy.size is None:
        return ""
    size = float(copy.size)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _until(copy: Copy) -> str:
    if copy.keep:
        return "for good"
    return f"{copy.expires:%Y-%m-%d}" if copy.expires else ""
