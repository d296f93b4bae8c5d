"""A project's own Alembic, run by the project's own interpreter, spoken to in JSON lines.

The other end is `alembic_driver.py`, which knows nothing of migsafe. What env.py prints is thrown
away: it may hold anything.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from msgspec import Struct, field

from migsafe.errors import MigsafeError, UnreachableError, UsageError, redacted

if TYPE_CHECKING:  # psycopg is heavy, and a driver is started before anything heavy is loaded
    from migsafe.target import Target

_DRIVER = Path(__file__).with_name("alembic_driver.py")

Event = Mapping[str, Any]

#: How the drivers of SQLAlchemy say that the role may not: by name, pg8000 by SQLSTATE.
_NOT_ALLOWED = re.compile(r"\bInsufficientPrivilege|'42501'")


class Project(Struct, frozen=True, kw_only=True):
    """How a project runs Alembic: its interpreter, its config file, and what goes with `-n`, `-x`.

    `config` is alembic.ini or pyproject.toml; its directory is where Alembic runs. `options` go
    over those of the file; `connection` is a URL for an env.py that wants one in its attributes;
    `database` and `version_table` say which is meant of those that env.py runs with; `through`
    names the function that env.py runs in, ``module:function``.
    """

    config: Path
    python: str = sys.executable
    name: str | None = None
    x: Sequence[str] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    connection: str | None = None
    database: str | None = None
    version_table: str | None = None
    through: str | None = None


class Driver(Struct):
    """One running driver. `pid` is its process, for signals."""

    project: Project
    process: subprocess.Popen[bytes]
    _requests: IO[str]
    _replies: IO[str]

    def say(self, **request: Any) -> None:
        """Send one request."""
        try:
            self._requests.write(json.dumps(request) + "\n")
            self._requests.flush()
        except OSError:  # it has ended, which the next reply says
            return

    def events(self, **request: Any) -> Iterator[Event]:
        """Send a request and yield its events, without the one that ends them.

        Raise UsageError where the project's environment does not work, UnreachableError where the
        role may not read or the interpreter ends without an answer.
        """
        self.say(**request)
        for line in self._replies:
            event = json.loads(line)
            if event["event"] == "error":
                raise self._broken(event)
            if event["event"] == "end":
                return
            yield event
        raise UnreachableError(
            self.project.python, "the interpreter of the project ended", "run alembic there to see"
        )

    def one(self, **request: Any) -> Event:
        """Send a request that has one answer."""
        self.say(**request)
        return self.answer()

    def answer(self) -> Event:
        """Wait for the one answer of what was said."""
        line = self._replies.readline()
        if not line:
            raise UnreachableError(
                self.project.python, "the interpreter of the project ended", "run alembic there"
            )
        event: Event = json.loads(line)
        if event["event"] == "error":
            raise self._broken(event)
        return event

    def bounded(self, seconds: float, **request: Any) -> Event:
        """Send a request that has one answer; raise UnreachableError where it takes too long."""
        rung: list[bool] = []

        def ring() -> None:
            rung.append(True)
            _kill(self.process)

        bell = threading.Timer(seconds, ring)
        bell.start()
        try:
            return self.one(**request)
        except UnreachableError:
            if not rung:
                raise
            problem = f"no answer came within {seconds:g} s"
            raise UnreachableError(
                str(self.project.config), problem, "see what env.py does"
            ) from None
        finally:
            bell.cancel()

    def lead(self, to: Target, session: Sequence[str]) -> None:
        """Have the connections that are still to come lead to `to`."""
        self.say(do="lead", redirect=to.signed_in(), session=list(session))

    def close(self) -> None:
        """Stop speaking to it, and wait until it has ended."""
        for stream in (self._requests, self._replies):
            with suppress(BrokenPipeError):  # what it did not hear, it did not do
                stream.close()
        _ended(self.process)
        _open.pop(id(self), None)

    def _broken(self, event: Event) -> MigsafeError:
        place = str(event.get("file") or self.project.config)
        line = f":{event['line']}" if event.get("line") else ""
        problem = redacted(f"{event['kind']}: {event['message']}")
        if _NOT_ALLOWED.search(problem):
            remedy = "give the role that right; migsafe grants prints those on a target"
            return UnreachableError(f"{place}{line}", problem, remedy)
        return UsageError(f"{place}{line}", problem, "run alembic current there to see it whole")


@contextmanager
def running(
    project: Project, *, to: Target | None = None, session: Sequence[str] = ()
) -> Iterator[Driver]:
    """Start a driver whose connections lead to `to`, each begun with the `session` statements."""
    driver = start(project, to=to, session=session)
    try:
        yield driver
    finally:
        driver.close()


def start(project: Project, *, to: Target | None = None, session: Sequence[str] = ()) -> Driver:
    """Start a driver that the caller closes.

    The URL goes through a pipe, so that no process list shows it.
    """
    request_end, request = os.pipe()
    reply, reply_end = os.pipe()
    requests, replies = os.fdopen(request, "w"), os.fdopen(reply)
    try:
        process = subprocess.Popen(  # noqa: S603
            [project.python, str(_DRIVER), str(request_end), str(reply_end)],
            cwd=project.config.parent,
            pass_fds=(request_end, reply_end),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is ours to pass on
        )
    except OSError as error:
        requests.close()
        replies.close()
        problem = f"{project.python} cannot be run: {error.strerror}"
        raise UsageError("history.python", problem, "check it") from None
    finally:
        os.close(request_end)
        os.close(reply_end)
    driver = Driver(project, process, requests, replies)
    _open[id(driver)] = driver
    driver.say(
        config=str(project.config),
        name=project.name,
        x=list(project.x),
        options=dict(project.options),
        connection=project.connection,
        database=project.database,
        table=project.version_table,
        through=project.through,
        redirect=to.signed_in() if to else None,
        session=list(session),
    )
    return driver


#: Drivers that nobody has closed yet, for the end of a command that stopped before its session.
_open: dict[int, Driver] = {}


@atexit.register
def _close_all() -> None:
    for driver in list(_open.values()):
        driver.close()


def _ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for the driver to notice that nobody speaks to it; end it where it does not."""
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        _kill(process)
        process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill it with what env.py has started, which may hold its pipes and its connections."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
