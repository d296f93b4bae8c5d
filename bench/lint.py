"""Time `migsafe lint` against squawk on the same files; exit 1 above three times its time.

squawk is a Rust program: `pip install squawk-cli`, then name it in SQUAWK where it is not on PATH.
MIGSAFE_SHARED names a directory of real histories, whose first thousand Prisma files are read;
without it a thousand made-up ones are.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

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


def seconds(command: Sequence[str]) -> float:
    """Return how long a command takes; what it finds is not the question."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr.decode()[-500:]
    return time.perf_counter() - start


def main() -> int:
    squawk = os.environ.get("SQUAWK") or shutil.which("squawk")
    if not squawk:
        print("no squawk: pip install squawk-cli, or name it in SQUAWK", file=sys.stderr)
        return 2
    migsafe = str(Path(sys.executable).with_name("migsafe"))
    with tempfile.TemporaryDirectory() as folder:
        names = corpus(Path(folder))
        rounds = [
            (
                seconds([migsafe, "lint", "--format", "json", *names]),
                seconds([squawk, "--reporter", "json", *names]),
                seconds([migsafe, "lint", names[0]]),
            )
            for _ in range(ROUNDS)
        ]
    ours, theirs, single = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = ours / theirs
    print(f"{len(names)} files: migsafe {ours:.2f} s, squawk {theirs:.2f} s: {ratio:.2f} ({RATIO})")
    print(
        f"one file: {single:.2f} s ({SINGLE} s); medians of {ROUNDS}, load {os.getloadavg()[0]:.1f}"
    )
    return int(ratio > RATIO or single > SINGLE)


if __name__ == "__main__":
    sys.exit(main())
