"""The copies of a target as a table, for text and for Markdown."""

from collections.abc import Sequence

from migsafe.reports import Report


def headings(report: Report) -> Sequence[str]:  # noqa: ARG001  # as `rows` and `widths`
    """Return the headings of the columns; the name of the copy is last."""
    return "run", "taken (UTC)", "status", "outcome", "expires", "snapshot"


def rows(report: Report) -> list[Sequence[object]]:
    """Return a row for each copy, in the order of the report."""
    return [
        (
            copy.run,
            f"{copy.taken:%Y-%m-%d %H:%M}",
            copy.status,
            "kept" if copy.keep else copy.outcome,
            f"{copy.expires:%Y-%m-%d}" if copy.expires else "",
            copy.id,
        )
        for copy in report.copies
    ]


def widths(report: Report) -> Sequence[int]:  # noqa: ARG001  # as `headings` and `rows`
    """Return how wide the columns are, without the last one."""
    return 26, 16, 10, 10, 10
