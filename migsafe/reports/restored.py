"""The part of a report that is about a restore, as text and as Markdown."""

import textwrap
from collections.abc import Iterator

from migsafe.reports import Report, RestoreInfo

#: What is said of a restore that ended, by its outcome.
_ENDS = {
    "beside": "{copy} stands beside, verified; the database is untouched.",
    "differs": "{copy} stands beside and is not what the snapshot held; the database is untouched.",
    "swapped": "The copy has the name now; the database that had it is {old}, closed and kept.",
    "undone": "Undone: the database has its name.",
}

#: The mark of each state, in a column of its own.
_MARKS = {"done": "done", "found": "done", "begun": "begun", "failed": "failed", "undone": "undone"}


def text(report: Report, width: int) -> str:
    """Say what is restored, what is lost by it, how far it is, and what is left to do."""
    found = report.restore
    if found is None:
        return ""
    parts = [
        "\n".join(_wrapped(line, width) for line in _heading(found)),
        _listed("Lost with it:", found.lost, width),
        "\n".join(_steps(found)),
        _wrapped(end(found), width),
        _listed("By hand:", found.by_hand, width),
    ]
    return "\n\n".join(part for part in parts if part)


def markdown(report: Report) -> str:
    """Say the same in Markdown."""
    found = report.restore
    if found is None:
        return ""
    lines = [
        "## Restore",
        "",
        *_heading(found),
        "",
        *(f"- lost: {line}" for line in found.lost),
        *(f"- {step.step}: {step.state}" for step in found.steps),
        *(f"- by hand: {line}" for line in found.by_hand),
    ]
    ended = end(found)
    return "\n".join([*lines, *(["", ended] if ended else [])])


def _heading(found: RestoreInfo) -> Iterator[str]:
    yield (
        f"Restore {found.id} of {found.place} from {found.snapshot} ({found.provider}, run "
        f"{found.run}), taken {found.taken:%Y-%m-%d %H:%M} UTC, as {found.copy}."
    )
    yield f"How long it takes: {found.estimate}."


def _steps(found: RestoreInfo) -> Iterator[str]:
    for number, step in enumerate(found.steps, start=1):
        yield f"{number:>4}. {_MARKS.get(step.state, ''):<7} {step.step}"


def end(found: RestoreInfo) -> str:
    """Say how it ended in a sentence, empty where it has not."""
    said = _ENDS.get(found.outcome or "", "")
    return said.format(copy=found.copy, old=found.old)


def _listed(title: str, lines: tuple[str, ...], width: int) -> str:
    if not lines:
        return ""
    return "\n".join([title, *(_wrapped(line, width, "  - ") for line in lines)])


def _wrapped(line: str, width: int, bullet: str = "") -> str:
    return textwrap.fill(
        line,
        width,
        initial_indent=bullet,
        subsequent_indent=" " * len(bullet),
        break_long_words=False,
        break_on_hyphens=False,
    )
