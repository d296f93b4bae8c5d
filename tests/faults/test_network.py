"""The network drops, stalls, half-closes or resets: nothing hangs, and nothing untrue is said."""

import random
from pathlib import Path

import pytest

from tests.faults import campaigns, verdict
from tests.faults.actions import NETWORK, STALLS, Action
from tests.faults.scenarios import SOME, Cell


@pytest.mark.parametrize("action", NETWORK, ids=lambda action: action.title)
@pytest.mark.parametrize("cell", SOME, ids=lambda cell: cell.title)
def test_a_connection_that_breaks_leaves_schema_and_ledgers_in_agreement(
    cell: Cell, action: Action, server: str, tmp_path: Path
) -> None:
    chance = random.Random(f"{cell.title} {action.title}")
    tally = campaigns.disturbed(cell, action, campaigns.scaled(4), chance, server, tmp_path)
    verdict.check(tally, cell)


@pytest.mark.parametrize("action", STALLS, ids=lambda action: action.title)
@pytest.mark.parametrize("cell", SOME, ids=lambda cell: cell.title)
def test_a_network_that_swallows_everything_hangs_no_deployment(
    cell: Cell, action: Action, server: str, tmp_path: Path
) -> None:
    chance = random.Random(f"{cell.title} {action.title}")
    tally = campaigns.disturbed(cell, action, campaigns.scaled(1), chance, server, tmp_path)
    verdict.check(tally, cell)
