"""The way back: steps that are written down before they are taken, and can be taken back.

Knows no provider. A process that dies anywhere leaves a journal from which `run` goes on and
`undo` goes back: a step looks at the world before it acts, so taking it twice is taking it once.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from migsafe.restore.journal import Journal

#: Says how far a long command has come.
Notify = Callable[[str], None]


class Step(Protocol):
    """One change of the world. What it has to know later it keeps in the journal's memory."""

    @property
    def name(self) -> str:
        """What it is called in the journal and to a person; it never changes."""
        ...

    def done(self) -> bool:
        """Tell whether the world is as the step leaves it; never ask the journal."""
        ...

    def act(self) -> None:
        """Change the world; return only when the change is to be seen."""
        ...

    def undo(self) -> None:
        """Take the change back, also a half-made one; do nothing where there is none."""
        ...


def run(journal: Journal, steps: Sequence[Step], notify: Notify) -> None:
    """Take every step that is not finished, in order; whatever a step raises stops there."""
    for step in steps:
        if journal.finished(step.name):
            continue
        if not step.done():
            journal.write(step.name, "begun")
            notify(step.name)
            _taken(journal, step.name, step.act)
        journal.finish(step.name)


def undo(journal: Journal, steps: Sequence[Step], notify: Notify) -> None:
    """Take back every step that was begun, the last one first, and end the journal."""
    for step in reversed(steps):
        if journal.owed(step.name):
            journal.write(step.name, "undoing")
            notify(f"undoing: {step.name}")
            _taken(journal, step.name, step.undo)
            journal.write(step.name, "undone")
    journal.end("undone")


def _taken(journal: Journal, name: str, change: Callable[[], None]) -> None:
    """Make a change; where it fails, the journal says why before anybody hears of it."""
    try:
        change()
    except Exception as error:
        journal.write(name, "failed", error=str(error))
        raise
