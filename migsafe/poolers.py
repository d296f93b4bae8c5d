"""Poolers that give a client another backend with each transaction, told by asking which it has.

Locks and settings of a session are lost behind them, or land on the session of somebody else.
PgBouncer, Supavisor and their like invent the process that they announce to a client, so one whose
announced process is the one that answers is connected directly.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from migsafe.errors import UsageError

if TYPE_CHECKING:
    import psycopg

#: RDS Proxy, which gives a session one backend only after it has seen certain statements.
_BY_NAME = re.compile(r"\.proxy-[a-z0-9]+\.[a-z0-9-]+\.rds\.amazonaws\.com", re.IGNORECASE)


def refuse(one: psycopg.Connection[Any], other: psycopg.Connection[Any], place: str) -> None:
    """Raise UsageError where two idle sessions share a backend, or one has more than one.

    A pooler hands out the backend used last, or one after the other: asking `other` once, twice
    and three times between two questions to `one` meets either.
    """
    if _BY_NAME.search(place):
        raise _refused(place)
    backend = _backend(one)
    for times in (1, 2, 3):
        if any(_backend(other) == backend for _ in range(times)) or _backend(one) != backend:
            raise _refused(place)


def _backend(conn: psycopg.Connection[Any]) -> int:
    row = conn.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
    assert row is not None  # noqa: S101  # a SELECT without FROM returns one row
    return int(row[0])


def _refused(place: str) -> UsageError:
    return UsageError(
        place,
        "is a pooler that gives each transaction another backend, so locks and settings are lost",
        "give the direct address of the database, or a pool in session mode",
    )
