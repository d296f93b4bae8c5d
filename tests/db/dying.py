"""Restores of dumps in processes that SIGKILL ends at a named point."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults import processes

#: The steps, in order.
STEPS = (
    *("create the copy", "restore the dump", "settings and privileges"),
    *("analyze", "verify", "swap the names", "check the name"),
)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _around(step: str, moment: str) -> None:
    from migsafe import restore

    taken = restore._taken

    def dies(journal: Any, name: str, change: Callable[[], None]) -> None:
        if name == step and moment == "before":
            _die()
        taken(journal, name, change)
        if name == step:
            _die()

    restore._taken = dies


def _marking(state: str) -> None:
    """Die before a comment says how far the copy is."""
    from migsafe.restore.pair import Pair

    mark = Pair.mark

    def dies(self: Pair, conn: Any, said: str) -> None:
        if said == state:
            _die()
        mark(self, conn, said)

    setattr(Pair, "mark", dies)  # noqa: B010  # a checker forbids the assignment


def _filling() -> None:
    """Die while pg_restore is at work."""
    from migsafe.snapshots import programs

    def dies(child: Any, *_: Any) -> None:
        time.sleep(0.03)
        _die()

    setattr(programs, "_await", dies)  # noqa: B010  # of another signature


def _in_renaming(function: str) -> None:
    from migsafe.restore import renaming

    setattr(renaming, function, lambda *_: _die())


#: How to die, by where.
POINTS: dict[str, Callable[[], None]] = {
    **{f"before: {step}": partial(_around, step, "before") for step in STEPS},
    **{f"after: {step}": partial(_around, step, "after") for step in STEPS},
    "created, without its comment": partial(_marking, "empty"),
    "while pg_restore works": _filling,
    "filled, without its comment": partial(_marking, "complete"),
    "closed, not renamed": partial(_in_renaming, "_rename"),
    "renamed, not committed": partial(_in_renaming, "comment"),
}


def die(point: str, arguments: Sequence[object], folder: Path) -> None:
    """Run migsafe with these arguments in a folder until the point, where it dies."""
    out, err = folder / "stdout", folder / "stderr"
    given = (point, [*map(str, arguments)], str(folder), str(out), str(err))
    child = processes._context().Process(target=_main, args=given, daemon=False)
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL, (child.exitcode, out.read_text(), err.read_text())


def _main(point: str, arguments: list[str], folder: str, out: str, err: str) -> None:
    POINTS[point]()
    processes._main(arguments, folder, out, err, False)
