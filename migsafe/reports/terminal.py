"""How rows and sentences are laid out on a terminal of 80 columns."""

import textwrap
from collections.abc import Iterable, Sequence

import click

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


#: Of what a reader knows, shown without -v. Arbitrary: enough to see where the history stands.
RECENT = 5

#: Rows of a list of migrations shown without -v. Arbitrary, half a screen.
LISTED = 12


def last(rows: Sequence[Row], verbose: bool) -> Sequence[Row]:
    """Keep the last rows of a long list, and say how many went before."""
    if verbose or len(rows) <= LISTED:
        return rows
    hidden = len(rows) - LISTED + 1
    blank = ("",) * (len(rows[0]) - 1)
    return [(f"… {hidden} before these (-v shows them)", *blank), *rows[1 - LISTED :]]


def first(rows: Sequence[Row], verbose: bool) -> Sequence[Row]:
    """Keep the first rows of a long list, and say how many come after."""
    if verbose or len(rows) <= LISTED:
        return rows
    hidden = len(rows) - LISTED + 1
    return [*rows[: LISTED - 1], (f"… {hidden} after these (-v shows them)", *rows[-1][1:])]


def wrapped(text: str, *, indent: str = "") -> str:
    """Break text into lines, where words allow."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
