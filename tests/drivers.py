"""Drivers of Alembic projects, forked from a process that has imported Alembic already.

Importing it takes most of the processor time of a driver: 0.6 s. The drivers that commands in
processes of their own start, and those of another interpreter, begin as they always do.
"""

import atexit
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migsafe.histories import driver
from tests import warm_driver

_lock = threading.Lock()


class Forked:
    """As much of `subprocess.Popen` as a driver needs, for a process that is not our child."""

    def __init__(self, ending: socket.socket, printed: int | None = None) -> None:
        self._ending = ending
        self._printed = printed
        self.pid = warm_driver.number(ending)
        self.returncode: int | None = None

    def send_signal(self, signal_: int) -> None:
        """Send a signal, unless it has ended."""
        if self._ended(0) is None:
            os.kill(self.pid, signal_)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        """Return the exit code of a process that has ended."""
        return self._ended(0)

    def communicate(self, timeout: float | None = None) -> tuple[bytes, None]:
        """Return what it printed, once it has ended."""
        assert self._printed is not None
        text = b""
        while select.select([self._printed], [], [], timeout)[0]:
            if not (more := os.read(self._printed, 65536)):
                break
            text += more
        self.wait(timeout)
        os.close(self._printed)
        return text, None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return its exit code."""
        if (code := self._ended(timeout)) is None:
            raise subprocess.TimeoutExpired("driver", timeout or 0)
        return code

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._ending], [], [], timeout)[0]:
            self.returncode = warm_driver.number(self._ending)
            self._ending.close()
        return self.returncode


@contextmanager
def forked() -> Iterator[None]:
    """Fork the drivers that this process starts."""
    known = vars(subprocess) | {"Popen": popen}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "subprocess", SimpleNamespace(**known))
        yield


def popen(command: Sequence[str], **how: Any) -> Any:
    """Start a driver by a fork where that is the same; its output is kept, or goes nowhere."""
    measured = any(name.startswith("COVERAGE") for name in os.environ)  # by what a start sets up
    same = command[0] == sys.executable and _read_at_start() == _warm()[1]
    if measured or not (same and Path(how["cwd"]).is_dir()):
        return subprocess.Popen(command, **how)
    env = how.get("env") or dict(os.environ)
    asked = {"file": command[1], "cwd": str(how["cwd"]), "env": env}
    ours, theirs = socket.socketpair()
    printed, output = os.pipe() if how["stdout"] == subprocess.PIPE else (None, None)
    output = os.open(os.devnull, os.O_WRONLY) if output is None else output
    with theirs, _lock:
        warm_driver.ask(_warm()[0], asked, [*how["pass_fds"], output, theirs.fileno()])
    os.close(output)
    return Forked(ours, printed)


def _read_at_start() -> dict[str, str]:
    """Return what an interpreter reads from the environment when it begins."""
    return {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}


@cache
def _warm() -> tuple[socket.socket, dict[str, str]]:
    """Start the process to fork from, and return the way to ask it."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, warm_driver.__file__, str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True)

    @atexit.register
    def end() -> None:
        ours.close()
        process.wait()

    return ours, _read_at_start()
