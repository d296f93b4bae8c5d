"""The network drops, stalls, half-closes or resets: nothing hangs, and nothing untrue is said."""

from collections.abc import Callable

import pytest

from tests.faults import campaigns, enough, verdict
from tests.faults.actions import NETWORK, STALLS, Action
from tests.faults.scenarios import SOME, Cell
from tests.faults.trials import Bench


@pytest.mark.parametrize("action", NETWORK, ids=lambda action: action.title)
@pytest.mark.parametrize("cell", SOME, ids=lambda cell: cell.title)
def test_a_connection_that_breaks_leaves_schema_and_ledgers_in_agreement(
    cell: Cell, action: Action, bench_of: Callable[[Cell], Bench]
) -> None:
    verdict.check(campaigns.disturbed(bench_of(cell), action, campaigns.scaled(4)))


@pytest.mark.parametrize("action", STALLS, ids=lambda action: action.title)
@pytest.mark.parametrize("cell", enough(SOME), ids=lambda cell: cell.title)
def test_a_network_that_swallows_everything_hangs_no_deployment(
    cell: Cell, action: Action, bench_of: Callable[[Cell], Bench]
) -> None:
    verdict.check(campaigns.disturbed(bench_of(cell), action, campaigns.scaled(1)))
