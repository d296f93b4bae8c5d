"""Unit tests do no I/O but files below tmp_path, and share no secrets."""

import os
import socket
import subprocess
from typing import NoReturn

import psycopg
import pytest


def _refuse(*_values: object, **_named: object) -> NoReturn:
    pytest.fail("a unit test opens no socket and starts no process")


@pytest.fixture(autouse=True)
def _no_network_no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test that opens a socket or starts a process; libpq opens its own in C."""
    monkeypatch.setattr(socket.socket, "__init__", _refuse)
    monkeypatch.setattr(subprocess.Popen, "__init__", _refuse)
    monkeypatch.setattr(psycopg, "connect", _refuse)
    monkeypatch.setattr(psycopg.Connection, "connect", _refuse)
    for name in ("system", "fork", "posix_spawn", "execv", "execve"):
        monkeypatch.setattr(os, name, _refuse)
