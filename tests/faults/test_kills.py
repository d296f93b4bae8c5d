"""SIGKILL of a deployment at its boundaries and in statements: nothing is lost or done twice."""

import random
from collections.abc import Callable

import pytest

from tests.faults import campaigns, verdict
from tests.faults.actions import INTERRUPT, KILL
from tests.faults.scenarios import CELLS, SMALL, Cell
from tests.faults.trials import Bench

BenchOf = Callable[[Cell], Bench]

#: Kills a cell in CI; the larger run is `make faults`.
COUNTS = {
    "in transactions": 46,
    "outside transactions": 24,
    "concurrently": 24,
    "1,000 statements": 10,
}

#: Seconds that a statement takes whose deployment is killed: longer than any wait of a test.
_LONG = 20.0


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.title)
def test_after_a_kill_everything_is_in_effect_once_and_recorded_once(
    cell: Cell, bench_of: BenchOf
) -> None:
    bench, chance = bench_of(cell), random.Random(cell.title)
    wanted = campaigns.chosen(bench.course, campaigns.scaled(COUNTS[cell.scenario]), chance)
    tally = campaigns.campaign(bench, KILL, wanted, chance, eager=0.2)

    # What the watching session asks depends on the clock, so that a few may come to nothing.
    assert len(tally.sprung) >= 0.9 * len(wanted) - 1
    assert set(tally.codes) == {-9}
    verdict.check(tally)


@pytest.mark.parametrize("cell", SMALL, ids=lambda cell: cell.title)
def test_a_statement_ends_soon_after_the_deployment_that_was_killed_inside_it(
    cell: Cell, bench_of: BenchOf
) -> None:
    bench, chance = bench_of(cell), random.Random(cell.title)
    first = campaigns.pausing(bench.course)[:1]
    tally = campaigns.campaign(bench, KILL, first, chance, pause=_LONG)
    tally += campaigns.campaign(bench, KILL, first, chance, pause=_LONG, eager=1.0)

    assert len(tally.sprung) == 2
    assert max(tally.free, default=0.0) < _LONG / 2
    verdict.check(tally)


@pytest.mark.parametrize("cell", SMALL, ids=lambda cell: cell.title)
def test_a_deployment_that_is_asked_to_end_tells_the_truth(cell: Cell, bench_of: BenchOf) -> None:
    bench, chance = bench_of(cell), random.Random(cell.title)
    wanted = campaigns.chosen(bench.course, max(2, campaigns.scaled(4)), chance)
    tally = campaigns.campaign(bench, INTERRUPT, wanted, chance)

    assert len(tally.sprung) >= len(wanted) - 1  # not every run asks as often as the first
    verdict.check(tally)
