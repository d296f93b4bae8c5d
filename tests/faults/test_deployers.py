"""Many deploy at once: each migration runs exactly once, and the others wait or say who does it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from migsafe.errors import ExitCode
from tests.cli import databases
from tests.cli.cluster import Cluster
from tests.faults import SCALE, rivals, servers
from tests.faults.rivals import Race

#: How many at once: 32 in the larger run, as they take a minute of one processor.
COUNTS, LOSING = ((2, 8, 32), (4, 16)) if SCALE > 1 else ((2,), (4,))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Run a server that has room for two sessions of each of them."""
    with servers.private() as running:
        yield running


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[str]:
    with databases.lasting(cluster.url) as url:
        yield url


RACES = [*rivals.races(COUNTS, tuple(rivals.STATES)), *rivals.races((8,), ("empty",))]


@pytest.mark.parametrize("race", [*dict.fromkeys(RACES)], ids=str)
def test_each_migration_runs_once_however_many_deploy(
    race: Race, database: str, tmp_path: Path
) -> None:
    result = rivals.run(race, database, tmp_path)

    assert result.wrong == []
    assert result.codes[ExitCode.OK] + result.codes[ExitCode.BUSY] == race.count


@pytest.mark.parametrize("race", [*rivals.unsettled(LOSING)], ids=str)
def test_each_migration_runs_once_while_locks_are_lost_all_the_time(
    race: Race, database: str, tmp_path: Path
) -> None:
    result = rivals.run(race, database, tmp_path)

    assert result.wrong == []
    if not result.lost:
        pytest.skip("all deployments were over before a lock of theirs was lost")
