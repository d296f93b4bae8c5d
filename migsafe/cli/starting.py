"""Becoming another program: what an open gate does in place of coming to its end."""

import os
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from migsafe.errors import UsageError


def found(command: Sequence[str]) -> tuple[str, ...]:
    """Return the command as it is; raise UsageError where its program is not there."""
    if command and not shutil.which(command[0]):
        raise UsageError(command[0], "there is no such program", "check the name and PATH")
    return tuple(command)


def become(command: tuple[str, ...]) -> NoReturn:
    """Replace this process by a command: same process, same environment, same open files."""
    _as_it_was()
    try:
        os.execvp(command[0], command)  # noqa: S606  # no shell is what is wanted
    except OSError as error:
        raise UsageError(
            command[0], f"cannot be started: {error.strerror}", "check the file and its first line"
        ) from None


def _as_it_was() -> None:
    """Take back what the interpreter changed when it started, which a new program would inherit.

    It ignores these signals, and in a C locale it sets LC_CTYPE (PEP 538), which only Linux tells
    from one that was there. All else is reset by the system itself.
    """
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    with suppress(OSError):
        entries = Path("/proc/self/environ").read_bytes().split(b"\0")
        os.environb.pop(b"LC_CTYPE", None)
        pairs = (entry.partition(b"=") for entry in entries)
        os.environb.update({name: value for name, _, value in pairs if name == b"LC_CTYPE"})
