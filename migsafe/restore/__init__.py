"""The way back: steps that are written down before they are taken, and can be taken back.

Knows no provider. A process that dies anywhere leaves a journal from which `run` goes on and
`undo` goes back: a step looks at the world before it acts, so taking it twice is taking it once.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from migsafe.config import EnvConfig
from migsafe.errors import ExitCode, MigsafeError, UnreachableError
from migsafe.findings import Finding
from migsafe.restore.journal import Journal
from migsafe.snapshots import Fingerprint, Manifest

if TYPE_CHECKING:
    from migsafe.target import Target

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


class Restoring(Struct, frozen=True, kw_only=True):
    """One restore. `target` is the database under its own name, and the login for all of them.

    `folder` has the dumps of pg_dump; `fingerprint` takes a session, and as `budget` the seconds
    in which rows are counted.
    A journal that is on no disk is that of a restore which is only shown.
    """

    target: "Target"
    env: EnvConfig
    folder: Path
    manifest: Manifest
    journal: Journal
    notify: Notify
    fingerprint: Callable[..., Fingerprint]


class Way(Protocol):
    """How the snapshots of one provider are restored, for one restore."""

    def check(self, *, swap: bool) -> Sequence[str]:
        """Read whether it can be done, and return what a person has to know; change nothing."""
        ...

    def beside(self) -> Sequence[Step]:
        """Return the steps to a verified copy beside the database."""
        ...

    def swap(self) -> Sequence[Step]:
        """Return the steps that give the copy the name of the database, which is kept."""
        ...

    def names(self) -> tuple[str, str]:
        """Return what the copy is called beside, and the database once it is swapped out."""
        ...

    def claimed(self) -> AbstractContextManager[None]:
        """Keep other machines from restoring the same database meanwhile; raise BusyError."""
        ...

    def by_hand(self, *, swapped: bool) -> Sequence[str]:
        """Return what a person has to do afterwards."""
        ...


class Differs(MigsafeError):
    """What was restored is not what the snapshot held; `findings` say how."""

    exit_code = ExitCode.FINDINGS

    def __init__(self, place: str, findings: Sequence[Finding]) -> None:
        """Keep the findings for the report."""
        problem = f"what was restored differs from the snapshot ({len(findings)} findings)"
        super().__init__(place, problem, "the database itself is untouched")
        self.findings = tuple(findings)


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
        with suppress(UnreachableError):  # one that stands as begun is gone on with all the same
            journal.write(name, "failed", error=str(error))
        raise
