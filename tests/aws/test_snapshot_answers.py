"""What AWS answers about snapshots and what lies around them, as its own model has it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from migsafe.aws.identify import Database
from migsafe.errors import UnreachableError
from migsafe.snapshots import calls, preflight, surroundings

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ARN = "arn:aws:rds:eu-central-1:123456789012:db:clinic"


def database(kind: Any = "instance", **more: Any) -> Database:
    known: dict[str, Any] = {
        "id": "clinic",
        "resource_id": "db-X",
        "arn": ARN,
        "region": "eu-central-1",
        "account": "123456789012",
        "host": "h",
        "port": 5432,
        "via": "endpoint",
        "described": {},
    }
    return Database(kind=kind, **known | more)


@pytest.fixture
def answers() -> Iterator[Stubber]:
    """A client that gives planned answers, in order, each as the service's model has it."""
    client = boto3.client(
        "rds", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def quota(name: str, used: int, most: int) -> dict[str, Any]:
    return {"AccountQuotaName": name, "Used": used, "Max": most}


def preflighted(answers: Stubber, one: Database, **now: Any) -> list[str]:
    calm = {
        "BackupRetentionPeriod": 7,
        "LatestRestorableTime": NOW,
        "MultiAZ": True,
        "StorageEncrypted": True,
    }
    return preflight.check(answers.client, one, calm | now, NOW)


def maintenance(answers: Stubber, *actions: dict[str, Any]) -> None:
    answers.add_response(
        "describe_pending_maintenance_actions", {"PendingMaintenanceActions": list(actions)}
    )


def quotas(answers: Stubber, *them: dict[str, Any]) -> None:
    answers.add_response("describe_account_attributes", {"AccountQuotas": list(them)})


def test_snapshots_are_read_to_the_last_page(answers: Stubber) -> None:
    for names, marker in (["a", "b"], "next"), (["c"], None):
        page: dict[str, Any] = {"DBSnapshots": [{"DBSnapshotIdentifier": n} for n in names]}
        asked = {"SnapshotType": "manual"} | ({} if marker else {"Marker": "next"})
        answers.add_response(
            "describe_db_snapshots", page | ({"Marker": marker} if marker else {}), asked
        )

    found = calls.manual(answers.client, calls.INSTANCE)

    assert [one["DBSnapshotIdentifier"] for one in found] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (calls.INSTANCE, "DBSnapshotNotFound"),
        (calls.CLUSTER, "DBClusterSnapshotNotFoundFault"),
    ],
)
def test_a_snapshot_that_is_not_there_is_nothing(
    answers: Stubber, names: calls.Calls, code: str
) -> None:
    answers.add_client_error(names.describe, code, http_status_code=404)
    answers.add_response(names.describe, {names.answer: []})
    assert calls.described(answers.client, names, "s") is None
    assert calls.described(answers.client, names, "s") is None


@pytest.mark.parametrize(
    ("kind", "name"), [("instance", "ManualSnapshots"), ("aurora", "ManualClusterSnapshots")]
)
def test_a_full_quota_of_its_own_kind_is_refused(answers: Stubber, kind: str, name: str) -> None:
    quotas(answers, quota(name, 100, 100))
    maintenance(answers)
    with pytest.raises(UnreachableError, match="has 100 of 100 manual snapshots in eu-central-1"):
        preflighted(answers, database(kind))


def test_the_quota_of_the_other_kind_is_none_of_our_business(answers: Stubber) -> None:
    quotas(answers, quota("ManualClusterSnapshots", 100, 100), quota("ManualSnapshots", 99, 100))
    maintenance(answers)
    assert preflighted(answers, database()) == []


def test_a_restore_without_room_is_said_now(answers: Stubber) -> None:
    quotas(answers, quota("DBInstances", 40, 40), quota("DBClusters", 40, 40))
    maintenance(answers)
    assert preflighted(answers, database("aurora")) == [
        "A restore needs room: the account has 40 of 40 DBInstances.",
        "A restore needs room: the account has 40 of 40 DBClusters.",
    ]


def test_pending_changes_of_this_database_are_said_by_name(answers: Stubber) -> None:
    quotas(answers)
    ours = {
        "ResourceIdentifier": ARN,
        "PendingMaintenanceActionDetails": [{"Action": "system-update"}],
    }
    other = ours | {"ResourceIdentifier": f"{ARN}-other"}
    maintenance(answers, ours, other)
    assert preflighted(answers, database(), PendingModifiedValues={"DBInstanceClass": "x"}) == [
        "Modifications are pending, which may restart it: DBInstanceClass.",
        "Maintenance is pending: system-update.",
    ]


def test_what_the_role_may_not_ask_is_named(answers: Stubber) -> None:
    answers.add_client_error("describe_account_attributes", "AccessDenied")
    answers.add_client_error("describe_pending_maintenance_actions", "AccessDenied")
    assert preflighted(answers, database()) == [
        "Not known, since AWS answers AccessDenied: how many snapshots are allowed.",
        "Not known, since AWS answers AccessDenied: pending maintenance.",
    ]


def test_an_error_that_is_no_lack_of_rights_is_none_that_is_passed_over(answers: Stubber) -> None:
    answers.add_client_error("describe_account_attributes", "ValidationError")
    with pytest.raises(UnreachableError):
        preflighted(answers, database())


def test_only_custom_endpoints_are_written_down_and_what_somebody_has_set(answers: Stubber) -> None:
    named = [
        {"DBClusterEndpointIdentifier": kind.lower(), "EndpointType": kind}
        for kind in ("WRITER", "READER", "CUSTOM")
    ]
    answers.add_response("describe_db_cluster_endpoints", {"DBClusterEndpoints": named})
    answers.add_response(
        "describe_db_parameters",
        {"Parameters": [{"ParameterName": "work_mem", "ParameterValue": "64"}]},
        {"DBParameterGroupName": "members", "Source": "user"},
    )
    answers.add_response(
        "describe_db_cluster_parameters",
        {"Parameters": [{"ParameterName": "rds.force_ssl", "ParameterValue": "1"}]},
        {"DBClusterParameterGroupName": "cluster", "Source": "user"},
    )
    member = {"DBParameterGroups": [{"DBParameterGroupName": "members"}]}
    now = {"DBClusterParameterGroup": "cluster", "EarliestRestorableTime": NOW}
    denied: list[str] = []

    found = surroundings.read(answers.client, database("aurora", members=[member]), now, denied)

    assert [one["EndpointType"] for one in found["endpoints"]] == ["CUSTOM"]
    assert found["parameters"] == {"members": {"work_mem": "64"}, "cluster": {"rds.force_ssl": "1"}}
    assert found["restore_window"] == {"earliest": NOW, "latest": None}
    assert denied == []


def test_a_secret_is_written_down_by_its_arn(answers: Stubber) -> None:
    answers.add_response(
        "describe_db_instance_automated_backups",
        {"DBInstanceAutomatedBackups": [{"RestoreWindow": {"EarliestTime": NOW}}]},
    )
    now = {
        "MasterUserSecret": {"SecretArn": "arn:secret", "SecretStatus": "active"},
        "DBParameterGroups": [{"DBParameterGroupName": "default.postgres16"}],
    }
    found = surroundings.read(answers.client, database(), now, [])
    assert found["secret"] == "arn:secret"
    assert found["parameters"] == {"default.postgres16": {}}
    assert found["restore_window"] == {"earliest": NOW, "latest": None}
