"""The tables of kills, of the server's faults and of the network's, each as a function."""

import random
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import click

from tests.faults import campaigns, servers, trials
from tests.faults.actions import (
    INTERRUPT,
    KILL,
    NETWORK,
    STALLS,
    TERMINATE,
    TERMINATE_ALL,
    Action,
    restart,
)
from tests.faults.campaigns import Place, Tally
from tests.faults.page import Section
from tests.faults.proxy import Step
from tests.faults.scenarios import CELLS, SMALL, Cell

Choice = Callable[[Sequence[Step], random.Random], list[Place]]

#: Trials a cell, where MIGSAFE_FAULTS is 1.
_KILLS, _LONG_KILLS, _ENDS, _SERVER, _NETWORK, _STALLS = 100, 40, 20, 20, 12, 4

#: Seconds of the statements inside which the second table kills.
_PAUSE = 20.0

_EACH = (
    "Each trial is a deployment on an empty database, through a proxy that counts the requests of "
    "the wire protocol; at one of them, which a seed chooses, the fault happens: before the server "
    "sees the request, while it works on it, after its work and before the answer, or after the "
    "answer."
)

_BARS = (
    "*untrue*: the exit code, the report, the tool's table or a receipt said what the schema and "
    "the rows deny. *recovered*: the next `migsafe apply`, with the `migsafe resolve` that it asks "
    "for, left the schema, the rows, the tool's table and the receipts of a run that nothing "
    "disturbed. *INVALID*: indexes left so in the end."
)


def kills(server: str) -> Section:
    """SIGKILL at the boundaries of requests, and inside them."""
    rows, failures = [], []
    for cell in CELLS:
        large = cell not in SMALL
        tally = _tally(cell, KILL, server, _random(_LONG_KILLS if large else _KILLS), eager=0.2)
        rows.append((cell.title, *_kill_row(tally)))
        failures += _failures(cell, KILL, tally)
    return Section(
        title="SIGKILL of the deployment",
        text=f"{_EACH} In a fifth of the trials the next deployment comes at once; in the others "
        "it comes when the server is *free*, which is when no session and no lock of the killed "
        f"one is left. *resolve*: how many recoveries needed it. {_BARS}",
        heads=(
            *("scenario", "kills", "recovered", "resolve", "untrue", "INVALID"),
            *("free, median", "free, worst"),
        ),
        rows=rows,
        failures=failures,
    )


def long_statements(server: str) -> Section:
    """SIGKILL inside a statement that would take a while."""
    rows, failures = [], []
    for cell in SMALL:
        tally = _tally(cell, KILL, server, lambda c, _: campaigns.pausing(c)[:1] * 3, pause=_PAUSE)
        rows.append((cell.title, *_kill_row(tally)))
        failures += _failures(cell, KILL, tally)
    return Section(
        title="SIGKILL inside a long statement",
        text=f"The statement would take {_PAUSE:.0f} seconds, and hold its locks so long; "
        "`client_connection_check_interval` ends it.",
        heads=(
            *("scenario", "kills", "recovered", "resolve", "untrue", "INVALID"),
            *("free, median", "free, worst"),
        ),
        rows=rows,
        failures=failures,
    )


def server_side(server: str) -> Section:
    """What ends sessions, or the server."""
    actions = {INTERRUPT: _ENDS, TERMINATE: _SERVER, TERMINATE_ALL: _SERVER}
    with servers.private() as cluster:
        tallies = list(_disturbed(actions, server))
        tallies += _disturbed({restart(cluster): _SERVER}, cluster.url)
    return _section(
        "SIGTERM, and the server's side",
        f"Half of the faults are in and around a COMMIT. {_CAUTIOUS}",
        tallies,
    )


def network(server: str) -> Section:
    """What breaks between the two."""
    actions = dict.fromkeys(NETWORK, _NETWORK) | dict.fromkeys(STALLS, _STALLS)
    return _section(
        "The network",
        "Half of the faults are in and around a COMMIT. In a stall and in an outage nothing is "
        "closed: what is sent is taken, and nothing comes back; for these trials migsafe's waits "
        f"for an answer are cut to a fifth or less. *hangs*: runs of more than {trials.LIMIT:.0f} "
        f"seconds. {_CAUTIOUS}",
        list(_disturbed(actions, server)),
    )


_CAUTIOUS = (
    "*cautious*: runs that ended with 6 where whole migrations were in effect, and all were "
    "recorded. *end, worst*: seconds from the fault to the end of the run."
)

Disturbed = tuple[Action, Cell, Tally]


def _disturbed(actions: "dict[Action, int]", server: str) -> Iterable[Disturbed]:
    for action, count in actions.items():
        for cell in SMALL:
            yield action, cell, _tally(cell, action, server, _committing(count))


def _section(title: str, text: str, tallies: Sequence[Disturbed]) -> Section:
    """Sum the cells of each action up to one row."""
    rows, failures = [], []
    for action in dict.fromkeys(action for action, _, _ in tallies):
        total = Tally([t for one, _, tally in tallies if one == action for t in tally.trials])
        rows.append((action.title, *_row(total)))
    for action, cell, tally in tallies:
        failures += _failures(cell, action, tally)
    return Section(
        title=title,
        text=text,
        heads=(
            *("fault", "trials", "recovered", "untrue", "INVALID", "hangs", "cautious"),
            *("end, worst", "exit codes"),
        ),
        rows=rows,
        failures=failures,
    )


# ---------------------------------------------------------------- rows


def _kill_row(tally: Tally) -> tuple[object, ...]:
    return (
        len(tally.sprung),
        sum(trial.recovered for trial in tally.sprung),
        tally.by_hand,
        len(tally.wrong),
        tally.invalid,
        f"{tally.median:.2f} s",
        f"{max(tally.free, default=0.0):.2f} s",
    )


def _row(tally: Tally) -> tuple[object, ...]:
    codes = ", ".join(f"{code}: {count}" for code, count in sorted(tally.codes.items()))
    return (
        len(tally.sprung),
        sum(trial.recovered for trial in tally.sprung),
        len(tally.wrong),
        tally.invalid,
        tally.hung,
        tally.cautious,
        f"{tally.longest:.1f} s",
        codes,
    )


def _failures(cell: Cell, action: Action, tally: Tally) -> list[str]:
    missed = dict.fromkeys((*tally.wrong, *tally.lost))
    return [f"{action.title}, {cell.title}: {trial}" for trial in missed]


# ---------------------------------------------------------------- trials


def _random(count: int) -> Choice:
    return lambda course, chance: campaigns.chosen(course, campaigns.scaled(count), chance)


def _committing(count: int) -> Choice:
    return lambda course, chance: campaigns.around(course, campaigns.scaled(count), chance)


def _tally(
    cell: Cell,
    action: Action,
    server: str,
    choose: Choice,
    *,
    pause: float | None = None,
    eager: float = 0.0,
) -> Tally:
    chance = random.Random(f"{cell.title} {action.title}")
    with (
        tempfile.TemporaryDirectory() as folder,
        trials.bench(cell, server, Path(folder)) as bench,
    ):
        wanted = choose(bench.course, chance)
        tally = campaigns.campaign(bench, action, wanted, chance, pause=pause, eager=eager)
    click.echo(f"{action.title}, {cell.title}: {_row(tally)}", err=True)
    return tally
