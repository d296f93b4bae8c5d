"""Time `migsafe lint` against squawk on the same files; exit 1 above three times its time.

squawk is a Rust program: `pip install squawk-cli`, then name it in SQUAWK where it is not on PATH.
MIGSAFE_SHARED names a directory of real histories, whose first thousand Prisma files are read;
without it a thousand made-up ones are.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROUNDS, FILES, RATIO, SINGLE = 5, 1000, 3.0, 0.35

MADE_UP = """CREATE TABLE t{n} (id bigint PRIMARY KEY, name text NOT NULL, parent bigint);
CREATE INDEX t{n}_name_idx ON t{n} (name);
ALTER TABLE t{n} ADD COLUMN state text DEFAULT 'new' NOT NULL;
ALTER TABLE t{n} ADD CONSTRAINT t{n}_parent_fkey FOREIGN KEY (parent) REFERENCES t{n} (id);
"""


def corpus(folder: Path) -> list[str]:
    """Return the names of the files, flat copies in `folder`."""
    shared = os.environ.get("MIGSAFE_SHARED")
    found = sorted(Path(shared, "corpora", "prisma").rglob("migration.sql")) if shared else []
    texts = [file.read_text("utf-8-sig") for file in found[:FILES]]
    texts = texts or [MADE_UP.format(n=number) for number in range(FILES)]
    names = [str(folder / f"{number:05d}x.sql") for number in range(len(texts))]
    for name, text in zip(names, texts, strict=True):
        Path(name).write_text(text, "utf-8")
    return names


class Cost(NamedTuple):
    """Seconds of one run, on the clock and of the processor, which a busy machine disturbs less."""

    wall: float
    processor: float


def cost(command: Sequence[str], folder: Path) -> Cost:
    """Return what a command costs; what it finds is not the question."""
    # As installed, with bytecode, which a checkout may not have or may be told not to write.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    kept["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=False, env=kept, cwd=folder)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode in (0, 1), done.stderr.decode()[-500:]
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, spent)


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))


def main() -> int:
    squawk = os.environ.get("SQUAWK") or shutil.which("squawk")
    if not squawk:
        print("no squawk: pip install squawk-cli, or name it in SQUAWK", file=sys.stderr)
        return 2
    migsafe = str(Path(sys.executable).with_name("migsafe"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for inside in ("all", "one"):
            (folder / inside).mkdir()
        names = corpus(folder / "all")
        single = str(shutil.copy(names[0], folder / "one"))
        commands = (
            [migsafe, "lint", "--format", "json", *names],
            [squawk, "--reporter", "json", *names],
            [migsafe, "lint", single],
        )
        cost(commands[0], folder)  # writes the bytecode
        rounds = [[cost(command, folder) for command in commands] for _ in range(ROUNDS)]
    ours, theirs, one = (median(column) for column in zip(*rounds, strict=True))
    print(f"medians of {ROUNDS} rounds, load {os.getloadavg()[0]:.1f}; wall, and processor time:")
    ratios = ours.wall / theirs.wall, ours.processor / theirs.processor
    print(f"migsafe, {len(names)} files: {ours.wall:.2f} s, {ours.processor:.2f} s")
    print(f"squawk, the same: {theirs.wall:.2f} s, {theirs.processor:.2f} s")
    print(f"ratio: {ratios[0]:.2f}, {ratios[1]:.2f} (bar {RATIO})")
    print(f"migsafe, one file: {one.wall:.2f} s, {one.processor:.2f} s (bar {SINGLE} s)")
    return int(ratios[0] > RATIO or one.wall > SINGLE)


if __name__ == "__main__":
    sys.exit(main())
