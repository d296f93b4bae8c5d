"""Time a replay with facts after every migration against the bare one, and from the cache.

Both play in a fresh shadow on the embedded PostgreSQL, one after the other in one run. The
histories are made up, and the real ones of MIGSAFE_SHARED where that is set.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from tabulate import tabulate

from migsafe import histories, replay, target
from migsafe.config import HistoryConfig, ShadowConfig
from migsafe.histories import Migration
from migsafe.replay import Stage

#: Rounds of which the median counts.
ROUNDS = 5

BAR = 1.5
BAR_CACHED = 1.0

#: Real histories that replay on the embedded server as they are.
REAL = ("prisma/triggerdev", "sql/coder", "sql/dokploy", "sql/openmeter", "sql/crates-io")


def made_up(folder: Path, count: int) -> Path:
    """Write `count` small migrations: a table, a column or an index each."""
    for number in range(count):
        table = f"t{number // 4}"
        texts = (
            f"CREATE TABLE {table} (id bigint PRIMARY KEY, name text NOT NULL DEFAULT '');",
            f"ALTER TABLE {table} ADD COLUMN extra integer;",
            f"CREATE INDEX {table}_name ON {table} (name);",
            f"ALTER TABLE {table} ALTER COLUMN extra SET DEFAULT 1;",
        )
        (folder / f"{number:05d}_step.sql").write_text(texts[number % 4])
    return folder


def seconds(*works: Callable[[], object]) -> list[float]:
    """Return the median duration of each work; they take turns, as the machine has moods."""
    found: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, durations in zip(works, found, strict=True):
            began = time.perf_counter()
            work()
            durations.append(time.perf_counter() - began)
    return [statistics.median(durations) for durations in found]


def bare(migrations: Sequence[Migration], stage: Stage) -> None:
    """Replay as the real one does, without a look at the schema."""
    with replay._opened(stage) as (opened, conn):
        for migration in migrations:
            target.execute(conn, "RESET SESSION AUTHORIZATION; RESET ALL")
            replay._execute(conn, migration)
        assert opened.url


def row(name: str, path: Path, cache: Path) -> tuple[object, ...]:
    """Measure one history."""
    migrations = histories.load(path, HistoryConfig()).migrations
    stage = Stage(config=ShadowConfig(server="embedded"), root=path, major=18)
    kept = Stage(config=stage.config, root=path, major=18, cache=cache)
    without, with_facts = seconds(
        lambda: bare(migrations, stage), lambda: replay.run(migrations, stage)
    )
    replay.run(migrations, kept)
    (cached,) = seconds(lambda: replay.run(migrations, kept))
    ratio = with_facts / without
    return name, len(migrations), without, with_facts, f"{ratio:.2f}", cached


def main() -> None:
    """Print the table; exit 1 where a bar is missed."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as cache:
        found = [row("made up", made_up(Path(folder), 500), Path(cache))]
        if shared := os.environ.get("MIGSAFE_SHARED"):
            found += [row(name, Path(shared) / "corpora" / name, Path(cache)) for name in REAL]
    headers = ("history", "migrations", "bare (s)", "with facts (s)", "ratio", "cached (s)")
    click.echo(tabulate(found, headers=headers, floatfmt=".2f", disable_numparse=[4]))
    missed = [r for r in found if float(str(r[4])) > BAR or float(str(r[5])) > BAR_CACHED]
    click.echo(f"bars: ratio at most {BAR}, from the cache at most {BAR_CACHED} s")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
