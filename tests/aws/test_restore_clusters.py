"""The way back of clusters: Aurora, whose members are created anew, and Multi-AZ DB clusters."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migsafe.aws.identify import Kind
from migsafe.errors import ExitCode
from tests.aws import restores
from tests.aws.cloud import Cloud
from tests.aws.restores import Clinic, Clock, Killed, Pair
from tests.conftest import Called
from tests.faults import enough


@pytest.fixture
def kind() -> Kind:
    return "aurora"


@pytest.fixture
def clinic(
    cloud: Cloud,
    pair: Pair,
    clock: Clock,
    workdir: Path,
    migsafe: Callable[..., Called],
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
) -> Iterator[Clinic]:
    """A cluster with a snapshot; what is restored from it has the other server behind it."""
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    cloud.manners.instance_takes = 1
    described = restores.cluster(cloud, pair, kind)
    found = restores.snapshot_cluster(cloud, described, pair, kind)
    yield from restores.opened(cloud, pair, clock, workdir, migsafe, found, monkeypatch)


def members(clinic: Clinic, name: str) -> list[str]:
    found = clinic.cloud.described_cluster(name)["DBClusterMembers"]
    return sorted(one["DBInstanceIdentifier"] for one in found)


def test_a_cluster_is_swapped_with_its_members(clinic: Clinic) -> None:
    called = clinic.restore("--yes", "--swap")

    assert called.code == ExitCode.OK, called
    clinic.check()
    assert called.report.restore is not None
    aside = called.report.restore.old
    assert members(clinic, "clinic") == ["clinic-one", "clinic-two"]
    assert all("-failed-" in name for name in members(clinic, aside))
    now = clinic.cloud.described_cluster("clinic")
    assert now["Endpoint"] == clinic.manifest.source["host"]
    assert now["DeletionProtection"]
    assert now["DbClusterResourceId"] == clinic.journal.record.memory["new"]
    assert "Custom endpoints" in " ".join(called.report.restore.by_hand)


def test_a_cluster_is_restored_in_the_version_of_the_snapshot(clinic: Clinic) -> None:
    clinic.restore("--yes")
    (asked,) = clinic.cloud.called("RestoreDBClusterFromSnapshot")
    assert asked["EngineVersion"] == "16.4"
    assert {one["DBClusterIdentifier"] for one in clinic.cloud.called("CreateDBInstance")} == {
        asked["DBClusterIdentifier"]
    }


def test_an_undone_cluster_has_its_members_under_their_names(clinic: Clinic) -> None:
    clinic.restore("--yes", "--swap")
    assert clinic.restore("--undo", "--yes").code == ExitCode.OK
    clinic.check()
    assert members(clinic, "clinic") == ["clinic-one", "clinic-two"]
    assert clinic.things()[clinic.resource] == "clinic"


def test_an_undo_deletes_the_members_and_then_the_copy(clinic: Clinic) -> None:
    clinic.restore("--yes")
    assert clinic.restore("--undo", "--yes").code == ExitCode.OK
    clinic.check()
    assert set(clinic.things()) == clinic.started


#: Each step with one way out, and with the other where all faults are tried.
KILLS = [
    ("create the member clinic-one", "undo", "resume"),
    ("rename the member clinic-one aside", "resume", "undo"),
    ("rename the copy of the member clinic-two", "undo", "resume"),
    ("rename the old one aside", "undo", "resume"),
    ("rename the copy to the name", "resume", "undo"),
]


@pytest.mark.parametrize(
    ("step", "way"),
    enough([(step, way) for step, *ways in KILLS for way in ways[: 2 if restores.ALL else 1]]),
)
def test_a_cluster_that_is_killed_on_its_way_goes_on_or_back(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, step: str, way: str
) -> None:
    met = restores.killed(monkeypatch, step, "after")
    with pytest.raises(Killed):
        clinic.restore("--yes", "--swap")
    assert met == [step]
    clinic.check()
    restores.ended(clinic, way)
    assert members(clinic, "clinic") == ["clinic-one", "clinic-two"]


@pytest.mark.parametrize(
    "operation", enough(["RestoreDBClusterFromSnapshot", "CreateDBInstance", "ModifyDBCluster"])
)
def test_a_lost_answer_of_a_cluster_is_no_failure(clinic: Clinic, operation: str) -> None:
    clinic.cloud.lose(operation)
    assert clinic.restore("--yes", "--swap").code == ExitCode.OK
    clinic.check()
    assert len(clinic.things()) == 2 * len(clinic.started)


@pytest.mark.parametrize("kind", ["multi-az-cluster"])
def test_a_multi_az_cluster_makes_its_own_instances(clinic: Clinic) -> None:
    called = clinic.restore("--yes", "--swap")
    assert called.code == ExitCode.OK, called
    clinic.check()
    assert clinic.cloud.called("CreateDBInstance") == []
    (asked,) = clinic.cloud.called("RestoreDBClusterFromSnapshot")
    assert asked["DBClusterInstanceClass"] == "db.m6gd.large"
    assert len(asked["DBClusterIdentifier"]) <= 52
