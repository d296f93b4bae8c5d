"""Poolers that give a client another backend with each transaction, told by asking which it has.

Locks and settings of a session are lost behind them, or land on the session of somebody else.
PgBouncer and its like invent the process that they announce to a client. Others may announce a real
one; but then the server sees their port, not ours, and its backend is older than our connection.
"""

from __future__ import annotations

import math
import os
import re
import socket
import time
from typing import TYPE_CHECKING, Any

from migsafe.errors import UsageError

if TYPE_CHECKING:
    import psycopg

#: RDS Proxy, which gives a session one backend only after it has seen certain statements.
_BY_NAME = re.compile(r"\.proxy-[a-z0-9]+\.[a-z0-9-]+\.rds\.amazonaws\.com", re.IGNORECASE)

#: How often one session is asked between two questions to the other: with none else at work, a
#: pooler is told by one round of three. With others, one round missed up to 3 in 100 (simulated,
#: 1 to 10 backends, up to as many others), and chance has to win each.
_ROUNDS = (1, 2, 3) * 3


def refuse_by_name(place: str) -> None:
    """Raise UsageError for an address that is known as a pooler's."""
    if _BY_NAME.search(place):
        raise _refused(place)


def end(conn: psycopg.Connection[Any]) -> tuple[int, int]:
    """Return the process and the port that the server itself would say this session has.

    The port is ours, or the server's where the session is on its socket, which has none of ours.
    """
    with socket.socket(fileno=os.dup(conn.fileno())) as own:
        name = own.getsockname()
    port = name[1] if isinstance(name, tuple) else conn.info.port
    return conn.info.backend_pid, port


def refuse(
    one: psycopg.Connection[Any], other: psycopg.Connection[Any], place: str, *, since: float
) -> None:
    """Raise UsageError where two idle sessions share a backend, or one has more than one.

    A pooler hands out the backend used last, or one after the other. One that is as announced, and
    no older than the connection that `one` began at `since`, is hardly anybody else's: what stands
    between forwards, and is asked once.
    """
    backend, age = _first(one)
    ours = backend == one.info.backend_pid and age < time.monotonic() - since
    for times in (1,) if ours else _ROUNDS:
        if any(_backend(other) == backend for _ in range(times)) or _backend(one) != backend:
            raise _refused(place)


def _backend(conn: psycopg.Connection[Any]) -> int:
    row = conn.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
    assert row is not None  # noqa: S101  # a SELECT without FROM returns one row
    return int(row[0])


def _first(conn: psycopg.Connection[Any]) -> tuple[int, float]:
    """Return which backend answers, and for how many seconds it has been there."""
    row = conn.execute(
        """SELECT pid, extract(epoch FROM pg_catalog.clock_timestamp() - backend_start)
           FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())"""
    ).fetchone()
    return (int(row[0]), float(row[1])) if row else (0, math.inf)


def _refused(place: str) -> UsageError:
    return UsageError(
        place,
        "is a pooler that gives each transaction another backend, so locks and settings are lost",
        "give the direct address of the database, or a pool in session mode",
    )
