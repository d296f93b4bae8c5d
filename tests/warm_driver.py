"""The process that drivers of Alembic projects are forked from; it imports nothing of ours."""

import json
import os
import runpy
import socket
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

#: What every driver imports; none of it starts a thread or connects.
_FIRST = ("alembic.command", "alembic.autogenerate", "psycopg", "sqlalchemy.dialects.postgresql")


def ask(way: socket.socket, asked: dict[str, Any], descriptors: list[int]) -> None:
    """Ask for a driver that has these descriptors: requests, replies, output, and its end."""
    text = json.dumps(asked).encode()
    socket.send_fds(way, [len(text).to_bytes(8, "big")], descriptors)
    way.sendall(text)


def number(way: socket.socket) -> int:
    """Read the next number: the process first, then its exit code."""
    return int.from_bytes(way.recv(8, socket.MSG_WAITALL), "big", signed=True)


def _say(way: int, said: int) -> None:
    os.write(way, said.to_bytes(8, "big", signed=True))


def _serve(way: socket.socket) -> str | None:
    """Fork for each request; return a driver's file where that is to run, and None in the end."""
    while True:
        head, descriptors, _, _ = socket.recv_fds(way, 8, 4)
        if not head:
            return None
        asked = json.loads(way.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
        if os.fork() == 0:
            way.close()
            return _attend(asked, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _attend(asked: dict[str, Any], requests: int, replies: int, output: int, ending: int) -> str:
    """Fork the driver, say how it ends, and end; return its file in the driver itself."""
    child = os.fork()
    if child == 0:
        os.close(ending)
        return _become(asked, requests, replies, output)
    for descriptor in (requests, replies, output):
        os.close(descriptor)
    _say(ending, child)
    _say(ending, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os._exit(0)


def _become(asked: dict[str, Any], requests: int, replies: int, output: int) -> str:
    """Make this process look as if it had been started as a driver."""
    os.setsid()
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number_, descriptor in enumerate((nothing, output, output)):
        os.dup2(descriptor, number_)
    os.close(nothing)
    os.close(output)
    sys.argv = [asked["file"], str(requests), str(replies)]
    sys.path[0] = os.path.dirname(asked["file"])  # noqa: PTH120  # as the interpreter does
    return str(asked["file"])


if __name__ == "__main__":
    for name in _FIRST:
        import_module(name)
    if file := _serve(socket.socket(fileno=int(sys.argv[1]))):
        runpy.run_path(file, run_name="__main__")
