"""What a person does after a fault: the next apply, and the command that it names."""

import contextlib
import io
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from migsafe import cli
from migsafe.errors import ExitCode
from tests.faults.processes import Ended

#: Commands that a recovery may take; arbitrary, none takes more than four.
_ROUNDS = 6


@dataclass(slots=True, kw_only=True)
class Recovery:
    """The commands that were called, and how they ended."""

    calls: list[tuple[str, int]] = field(default_factory=list)
    last: Ended | None = None

    @property
    def resolved(self) -> list[str]:
        """The calls of resolve."""
        return [call for call, _ in self.calls if call.startswith("resolve")]

    def __str__(self) -> str:
        """Show every call with its code."""
        return ", ".join(f"{call} = {code}" for call, code in self.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Calls migsafe in this process: a fork would cost more than the command."""

    folder: Path
    options: Sequence[str]

    def call(self, *arguments: str) -> Ended:
        """Run one command in the folder."""
        out, err = io.StringIO(), io.StringIO()
        given = [*arguments, *self.options, "--format", "json"]
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = cli.run(given)
        return Ended(code, out.getvalue(), err.getvalue())

    def recover(self) -> Recovery:
        """Apply until it is done, with what it advises in between."""
        done = Recovery()
        for _ in range(_ROUNDS):
            if self._called(done, "apply", "--gate", "never").code == ExitCode.OK:
                break
            if not self._resolved(done):
                break
        return done

    def _resolved(self, done: Recovery) -> bool:
        """Finish what is unfinished, or say of it what the refusal advises; tell whether it is."""
        unfinished = _unfinished(done.last)
        if unfinished is None:
            return False
        finished = self._called(done, "resolve", unfinished, "--finish")
        advice = None if finished.code == ExitCode.OK else _advice(finished)
        if advice is None or advice[-1] == "--finish":
            return finished.code == ExitCode.OK
        return self._called(done, *advice).code == ExitCode.OK

    def _called(self, done: Recovery, *arguments: str) -> Ended:
        done.last = self.call(*arguments)
        done.calls.append((" ".join(arguments), done.last.code))
        return done.last


def _unfinished(ended: Ended | None) -> str | None:
    """Name the migration that a report calls unfinished."""
    report = ended.report if ended else None
    found = report.findings if report else ()
    return next((f.migration for f in found if f.code in ("MH102", "MH104")), None)


def _advice(ended: Ended) -> list[str] | None:
    """Return the call of resolve that a refusal names."""
    for finding in ended.report.findings if ended.report else ():
        if found := re.fullmatch(r"migsafe (resolve .*)", finding.remedy or ""):
            return shlex.split(found[1])
    return None
