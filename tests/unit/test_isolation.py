"""The fixtures that keep unit tests to themselves."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable

import psycopg
import pytest

from migsafe import target


@pytest.mark.parametrize(
    "act",
    [
        socket.socket,
        lambda: socket.create_connection(("127.0.0.1", 9)),
        lambda: subprocess.run([sys.executable, "--version"], check=False),
        lambda: os.system("true"),
        lambda: psycopg.connect("postgresql://localhost/x"),
        lambda: target.connect(target.parse("postgresql://localhost/x")),
    ],
    ids=["socket", "connection", "process", "shell", "libpq", "migsafe"],
)
def test_a_unit_test_that_leaves_the_process_fails(act: Callable[[], object]) -> None:
    with pytest.raises(pytest.fail.Exception):
        act()
