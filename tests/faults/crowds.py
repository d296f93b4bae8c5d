"""The tables of many deployers and of poolers, each as a function."""

import tempfile
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path

import click

from tests.cli import databases
from tests.faults import bouncing, campaigns, pooled, rivals, servers, tables
from tests.faults.bouncing import Pool
from tests.faults.page import Section
from tests.faults.pooled import COMMANDS, MODES, RELEASE, ROOM, Campaign
from tests.faults.rivals import Race, Result
from tests.faults.swapping import Habits

_COUNTS, _LOSING = (2, 8, 32), (8, 32)


def deployers(_: str) -> Section:
    """Many deployments of the same history at once."""
    rows: list[tuple[object, ...]] = []
    failures: list[str] = []
    with servers.private() as cluster, databases.lasting(cluster.url) as database:
        for title, how, races in _crowds():
            done = list(_run(races * campaigns.scaled(1), database))
            rows.append((title, how, *_row(done)))
            failures += [f"{one.race}: {wrong}" for one in done for wrong in one.wrong]
    return Section(
        title="Many deployers",
        text="Each race is so many processes of `migsafe apply` at once, half of the races with a "
        "history of Prisma, half of plain SQL. Those that wait (`--lock-wait`) have `CREATE INDEX "
        "CONCURRENTLY` among the migrations, and begin when the last of them has come. *lost*: "
        "how often somebody ended the session that holds the lock. *right*: each migration ran "
        "once, by the rows that it writes, by the tool's table, by the receipts and by the "
        "reports of all; and every exit code was 0 or 4, with `--lock-wait` 0. Where locks are "
        "lost it may also be 3, where nothing was done, and one more run is added in the end.",
        heads=("database", "how", "races", "right", "exit 0", "exit 4", "exit 3", "lost"),
        rows=rows,
        failures=failures,
    )


def _crowds() -> Iterator[tuple[str, str, list[Race]]]:
    """Name the races of each row."""
    for count, state in product(_COUNTS, rivals.STATES):
        for how, waits in (("", False), (", waiting", True)):
            races = [race for race in rivals.races((count,), (state,)) if race.waits == waits]
            yield state, f"{count} deployers{how}", races
    for count in _LOSING:
        yield "empty", f"{count} deployers, waiting; locks are lost", [*rivals.unsettled((count,))]


def _run(races: Iterable[Race], database: str) -> Iterator[Result]:
    for race in races:
        with tempfile.TemporaryDirectory() as folder:
            result = rivals.run(race, database, Path(folder))
        click.echo(f"{race}: {dict(result.codes)} {result.wrong}", err=True)
        yield result


def _row(done: list[Result]) -> tuple[object, ...]:
    codes = [sum(one.codes[code] for one in done) for code in (0, 4, 3)]
    right = sum(not one.wrong for one in done)
    return len(done), right, *codes, sum(one.lost for one in done)


def turns(_: str) -> Section:
    """Locks that others hold, that are lost, or that an orphan keeps, as the tests of them."""
    return tables.tested(
        "test_turns.py", "The lock", "One deployment, and another; a row is a test."
    )


# ---------------------------------------------------------------- poolers


def poolers(server: str) -> Section:
    """Every command behind poolers."""
    rows: list[tuple[object, ...]] = []
    failures: list[str] = []
    with databases.lasting(server) as database:
        for title, mode, made in _poolers():
            campaign = _campaign(mode, made, server, database)
            rows.append((title, mode, len(made), *_figures(campaign)))
            failures += [f"{title}: {wrong}" for wrong in campaign.wrong]
    return Section(
        title="Poolers",
        text=f"Pools of {', '.join(map(str, pooled.SIZES))} backends, which are given out last "
        "used first or one after the other, without and with other clients. Where a pooler shares "
        f"backends, every command ({len(COMMANDS)} calls) has to end with 2 and one line that says "
        "so, no backend may be set or locked differently, and no object be made. In session mode "
        f"a pool of {ROOM} has to serve a release ({len(RELEASE)} calls).",
        heads=("pooler", "mode", "pools", "calls", "refused", "served", "wrong"),
        rows=rows,
        failures=failures,
    )


def _poolers() -> Iterator[tuple[str, str, list[Habits | Pool]]]:
    for relays, title in ((False, "stand-in"), (True, "stand-in that names a real backend")):
        for mode in MODES:
            yield title, mode, [*pooled.habits(mode, relays=relays)]
        yield title, "session", [Habits(mode="session", size=ROOM, relays=relays)]
    if bouncing.PROGRAM:
        for mode in MODES:
            yield bouncing.version(), mode, [*pooled.pools(mode)]
        yield bouncing.version(), "session", [Pool(mode="session", size=ROOM)]


def _campaign(mode: str, made: list[Habits | Pool], server: str, database: str) -> Campaign:
    with tempfile.TemporaryDirectory() as folder:
        databases.empty(database)
        campaign = Campaign(folder=Path(folder), server=server, database=database, whole=True)
        campaign.lay_out()
        if mode == "session":
            campaign.release(made[0])
        else:
            campaign.refuse(made)
    return campaign


def _figures(campaign: Campaign) -> tuple[int, ...]:
    calls = sum(campaign.codes.values())
    return calls, campaign.codes[2], campaign.codes[0], len(campaign.wrong)
