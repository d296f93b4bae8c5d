"""The tables of contention, of signals and of the environment, each as a function."""

import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from tests.faults import campaigns, contention, others
from tests.faults.contention import BEARABLE, LOCK_TIMEOUT, Contended, Rig
from tests.faults.page import Section

Trial = Callable[[Rig], Contended]


def contended(server: str) -> Section:
    """Deployments beside readers, writers, dumps and old snapshots."""
    rows: list[tuple[object, ...]] = []
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as name, contention.rig(server, Path(name, "first")) as rig:
        for title, who, trials in _contentions():
            done = list(_made(rig, Path(name, f"{len(rows)}"), trials))
            rows.append((title, who, *_row(done)))
            failures += [f"{title}, {who}: {one}" for one in done if not _right(one)]
    return Section(
        title="Contention",
        text=f"Each trial is a deployment with `lock_timeout = {LOCK_TIMEOUT * 1000:.0f}ms` beside "
        f"another session, which leaves a second later ({', '.join(others.OTHERS)}), while a third "
        "one reads and writes the same tables all the time. *waited*: runs that had to wait for "
        "the second one. *worst wait behind us*: how long the server let the third one wait for a "
        "lock at most; the bar is "
        f"{BEARABLE:.1f} s. *INVALID*: indexes left so.",
        heads=(
            *("migration", "beside", "runs", "in effect", "waited", "attempts, most"),
            *("worst wait behind us", "INVALID"),
        ),
        rows=rows,
        failures=failures,
    )


def _contentions() -> Iterator[tuple[str, str, Iterable[Trial]]]:
    """Name what is deployed beside whom, with the trials of it."""
    for migration in contention.MIGRATIONS:
        beside = [partial(contention.trial, migration=migration, other=o) for o in others.OTHERS]
        yield migration, "each of these sessions", beside * campaigns.scaled(1)
    for several in contention.SEVERAL:
        trials = [partial(contention.one_by_one, migration=several)]
        yield several, "a reader of each", trials * campaigns.scaled(3)
    partition = "a reader of the partition"
    yield "DETACH CONCURRENTLY", partition, [contention.partition_read] * campaigns.scaled(3)


def _made(rig: Rig, folder: Path, trials: Iterable[Trial]) -> Iterator[Contended]:
    for number, trial in enumerate(trials):
        with contention.copy(rig, folder / str(number)) as fresh:
            yield trial(fresh)


def _row(done: list[Contended]) -> tuple[object, ...]:
    return (
        len(done),
        sum(one.in_effect and one.ended.code == 0 for one in done),
        sum(one.waited for one in done),
        max(one.attempts for one in done),
        f"{worst:.2f} s" if (worst := max(one.worst for one in done)) else "below 10 ms",
        sum(one.invalid for one in done),
    )


def _right(one: Contended) -> bool:
    passed = one.ended.code == 0 and one.in_effect and not one.invalid
    return passed and one.worst <= BEARABLE


# ---------------------------------------------------------------- tests as rows


def signals(_: str) -> Section:
    """Signals to a deployment, as the tests of them."""
    return tested("test_signals.py", "Signals", "SIGTERM or SIGINT to a process; a row is a test.")


def environment(_: str) -> Section:
    """What the environment refuses, as the tests of it."""
    text = (
        "Each is a deployment as a process. The tests hold its exit code, that it says why in one "
        "line without a password or a row, that nothing is changed, and that the next deployment "
        "gets everything done once there is room, time, a connection, a right or a server again."
    )
    return tested("test_environment.py", "The environment", text)


def tested(file: str, title: str, text: str) -> Section:
    """Run a file of tests, and make a row of each test's cases."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        subprocess.run(
            [*command, f"--junitxml={result}", Path(__file__).with_name(file)],
            check=False,
            stdout=subprocess.DEVNULL,
        )
        cases = list(ElementTree.parse(result).iter("testcase"))
    named: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        name = case.attrib["name"].partition("[")[0].removeprefix("test_").replace("_", " ")
        named[name].append(next((child.tag for child in case), "passed"))
    return Section(
        title=title,
        text=text,
        heads=("what is so", "cases", "passed", "skipped"),
        rows=[(name, len(e), e.count("passed"), e.count("skipped")) for name, e in named.items()],
        failures=[name for name, ends in named.items() if {*ends} - {"passed", "skipped"}],
    )
