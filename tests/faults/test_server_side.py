"""The server ends our sessions, or itself: what was said and recorded is what is in effect."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.cluster import Cluster
from tests.faults import campaigns, servers, trials, verdict
from tests.faults.actions import TERMINATE, TERMINATE_ALL, Action, restart
from tests.faults.scenarios import SOME, Cell
from tests.faults.trials import Bench


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with servers.private() as running:
        yield running


@pytest.mark.parametrize("action", [TERMINATE, TERMINATE_ALL], ids=lambda action: action.title)
@pytest.mark.parametrize("cell", SOME, ids=lambda cell: cell.title)
def test_a_session_that_the_server_ends_leaves_schema_and_ledgers_in_agreement(
    cell: Cell, action: Action, bench_of: Callable[[Cell], Bench]
) -> None:
    verdict.check(campaigns.disturbed(bench_of(cell), action, campaigns.scaled(5)))


@pytest.mark.parametrize("cell", SOME, ids=lambda cell: cell.title)
def test_a_server_that_is_stopped_at_once_leaves_schema_and_ledgers_in_agreement(
    cell: Cell, cluster: Cluster, tmp_path: Path
) -> None:
    with trials.bench(cell, cluster.url, tmp_path) as bench:
        tally = campaigns.disturbed(bench, restart(cluster), campaigns.scaled(4))
    verdict.check(tally)
