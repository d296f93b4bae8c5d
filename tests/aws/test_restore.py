"""The way back on RDS: beside, verified, swapped; and from wherever it stops, on or back."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migsafe.errors import ExitCode
from migsafe.snapshots import polling
from tests.aws import restores
from tests.aws.cloud import Cloud
from tests.aws.restores import Clinic, Clock, Pair
from tests.conftest import Called


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with restores.pair() as running:
        yield running


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(polling, "sleep", made.sleep)
    monkeypatch.setattr(polling, "clock", made.read)
    return made


@pytest.fixture
def clinic(
    cloud: Cloud,
    pair: Pair,
    clock: Clock,
    workdir: Path,
    migsafe: Callable[..., Called],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Clinic]:
    """An instance with a snapshot; what is restored from it has the other server behind it."""
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    cloud.manners.instance_takes = 1
    described = restores.instance(cloud, pair)
    made = Clinic(cloud, pair, workdir, migsafe, restores.snapshot(cloud, described, pair))
    made.write()
    (workdir / "migsafe.toml").write_text(restores.config(made.manifest))
    cloud.restores_to(pair.new)
    made.started = set(made.things())
    yield made
    pair.open()


def test_a_restore_beside_leaves_the_database_alone(clinic: Clinic) -> None:
    called = clinic.restore("--yes")
    assert called.code == ExitCode.OK, called
    clinic.check()
