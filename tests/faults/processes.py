"""Runs of migsafe as processes of their own, forked from one that has imported it already."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import msgspec

from migsafe.reports import Report


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "tests.faults.warm", __name__])
    return context


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: its exit code, or minus the signal that killed it, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> Report | None:
        """The JSON report on stdout; None where there is none, or not all of it."""
        try:
            return msgspec.json.decode(self.out, type=Report)
        except msgspec.DecodeError:
            return None


class Hang(Exception):
    """A run did not end in time, and was killed."""


@dataclass(frozen=True, slots=True)
class Process:
    """One run that was started."""

    _child: ForkServerProcess
    _out: Path
    _err: Path

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._child.exitcode is None

    def kill(self, signal_: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal, unless it has ended."""
        if self._child.pid and self._child.exitcode is None:
            os.kill(self._child.pid, signal_)

    def wait(self, seconds: float) -> Ended:
        """Wait for its end; kill it and raise Hang where that does not come."""
        self._child.join(seconds)
        code = self._child.exitcode
        if code is None:
            self.kill()
            self._child.join()
            raise Hang(f"no end after {seconds} s: {self._err.read_text('utf-8')[-300:]}")
        self._child.close()
        return Ended(code, self._out.read_text("utf-8"), self._err.read_text("utf-8"))


def start(arguments: Sequence[object], folder: Path, *, hasty: bool = False) -> Process:
    """Start migsafe with these arguments in a folder; `hasty` cuts down its waits for answers."""
    out, err = folder / "stdout", folder / "stderr"
    given = ([*map(str, arguments)], str(folder), str(out), str(err), hasty)
    child = _context().Process(target=_main, args=given, daemon=True)
    child.start()
    return Process(child, out, err)


def run(
    arguments: Sequence[object], folder: Path, env: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run migsafe to its end with this environment; a gate becomes the command that it starts."""
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place, "stdout"), Path(place, "stderr")
        call = ([*map(str, arguments)], str(folder), str(out), str(err), False)
        child = _context().Process(target=_main, args=(*call, dict(env)), daemon=True)
        child.start()
        ended = Process(child, out, err).wait(60)
    return subprocess.CompletedProcess(call[0], ended.code, ended.out, ended.err)


def _hasten() -> None:
    """Cut down how long migsafe waits for answers that never come: 630 s, and 10 s to notice."""
    from migsafe import deployers, target

    target.PATIENCE = 5.0
    deployers._BEAT, deployers._ANSWER, deployers._LOST = 0.25, 2.0, 1.0
    deployers._ORPHAN = 3.0


def _main(
    arguments: list[str],
    folder: str,
    out: str,
    err: str,
    hasty: bool,
    env: Mapping[str, str] | None = None,
) -> None:
    """Become `migsafe` as the script is."""
    from migsafe import cli

    if hasty:
        _hasten()
    if env is not None:
        os.environ.clear()
        os.environ.update(env)
    os.chdir(folder)
    for number, path in ((1, out), (2, err)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.argv = ["migsafe", *arguments]
    cli.main()
