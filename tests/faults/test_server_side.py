"""The server ends our sessions, or itself: what was said and recorded is what is in effect."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.cluster import Cluster
from tests.faults import campaigns, servers, verdict
from tests.faults.actions import TERMINATE, TERMINATE_ALL, Action, restart
from tests.faults.scenarios import SOME, Cell


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with servers.private() as running:
        yield running


@pytest.mark.parametrize("action", [TERMINATE, TERMINATE_ALL], ids=lambda action: action.title)
@pytest.mark.parametrize("cell", SOME, ids=lambda cell: cell.title)
def test_a_session_that_the_server_ends_leaves_schema_and_ledgers_in_agreement(
    cell: Cell, action: Action, server: str, tmp_path: Path
) -> None:
    chance = random.Random(f"{cell.title} {action.title}")
    tally = campaigns.disturbed(cell, action, campaigns.scaled(5), chance, server, tmp_path)
    verdict.check(tally, cell)


@pytest.mark.parametrize("cell", SOME, ids=lambda cell: cell.title)
def test_a_server_that_is_stopped_at_once_leaves_schema_and_ledgers_in_agreement(
    cell: Cell, cluster: Cluster, tmp_path: Path
) -> None:
    chance, action = random.Random(cell.title), restart(cluster)
    tally = campaigns.disturbed(cell, action, campaigns.scaled(4), chance, cluster.url, tmp_path)
    verdict.check(tally, cell)
