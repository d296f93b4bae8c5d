"""The cloud of the tests refuses what AWS refuses, and takes its time as AWS does."""

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.aws.cloud import Cloud


def test_every_instance_has_a_resource_id_of_its_own(cloud: Cloud) -> None:
    first, second = cloud.instance("first"), cloud.instance("second")

    found = cloud.client("rds").describe_db_instances(
        Filters=[{"Name": "dbi-resource-id", "Values": [second["DbiResourceId"]]}]
    )
    assert first["DbiResourceId"] != second["DbiResourceId"]
    assert [one["DBInstanceIdentifier"] for one in found["DBInstances"]] == ["second"]


def test_a_snapshot_is_creating_for_a_while_and_then_available(cloud: Cloud) -> None:
    cloud.instance("clinic")
    rds = cloud.client("rds")

    made = rds.create_db_snapshot(DBInstanceIdentifier="clinic", DBSnapshotIdentifier="one")
    seen = [rds.describe_db_snapshots(DBSnapshotIdentifier="one")["DBSnapshots"][0] for _ in "abc"]

    assert made["DBSnapshot"]["Status"] == "creating"
    assert [one["Status"] for one in seen] == ["creating", "creating", "available"]
    assert [one["PercentProgress"] for one in seen] == [0, 33, 100]
    assert seen[0]["SnapshotDatabaseTime"]


def test_an_instance_is_backing_up_while_its_snapshot_is_taken(cloud: Cloud) -> None:
    cloud.instance("clinic")
    rds = cloud.client("rds")
    cloud.manners.snapshot_takes = 0

    rds.create_db_snapshot(DBInstanceIdentifier="clinic", DBSnapshotIdentifier="one")
    assert cloud.described("clinic")["DBInstanceStatus"] == "backing-up"

    rds.describe_db_snapshots(DBSnapshotIdentifier="one")
    assert cloud.described("clinic")["DBInstanceStatus"] == "available"


def test_a_snapshot_fails_where_that_is_planned(cloud: Cloud) -> None:
    cloud.instance("clinic")
    rds = cloud.client("rds")
    cloud.manners.snapshot_takes, cloud.manners.snapshot_ends = 0, "failed"

    rds.create_db_snapshot(DBInstanceIdentifier="clinic", DBSnapshotIdentifier="one")

    found = rds.describe_db_snapshots(DBSnapshotIdentifier="one")["DBSnapshots"][0]
    assert found["Status"] == "failed"


def test_a_restored_instance_has_the_planned_port_and_no_endpoint_at_first(cloud: Cloud) -> None:
    cloud.instance("clinic", port=6000)
    rds = cloud.client("rds")
    cloud.manners.snapshot_takes = 0
    cloud.manners.instance_takes = 1
    cloud.restores_to(6001)
    rds.create_db_snapshot(DBInstanceIdentifier="clinic", DBSnapshotIdentifier="one")
    rds.describe_db_snapshots(DBSnapshotIdentifier="one")

    rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="beside", DBSnapshotIdentifier="one"
    )
    ask = {"DBInstanceIdentifier": "beside"}
    early, late = (rds.describe_db_instances(**ask)["DBInstances"][0] for _ in "ab")

    assert (early["DBInstanceStatus"], early.get("Endpoint")) == ("creating", None)
    assert (late["DBInstanceStatus"], late["Endpoint"]["Port"]) == ("available", 6001)
    assert late["DbiResourceId"] != cloud.described("clinic")["DbiResourceId"]
    assert cloud.described("clinic")["Endpoint"]["Port"] == 6000


def test_a_planned_refusal_comes_so_often_and_is_typed(cloud: Cloud) -> None:
    cloud.instance("clinic")
    rds = cloud.client("rds")
    cloud.fail("CreateDBSnapshot", "Throttling", times=2)
    cloud.fail("CreateDBSnapshot", "SnapshotQuotaExceeded")
    ask = {"DBInstanceIdentifier": "clinic", "DBSnapshotIdentifier": "one"}

    with pytest.raises(rds.exceptions.SnapshotQuotaExceededFault):
        rds.create_db_snapshot(**ask)
    assert len(cloud.called("CreateDBSnapshot")) == 3
    assert cloud.called("CreateDBSnapshot")[0]["DBSnapshotIdentifier"] == "one"


@pytest.mark.parametrize(
    ("service", "operation", "method", "ask"),
    [
        ("ec2", "DescribeVpcs", "describe_vpcs", {}),
        ("secretsmanager", "GetSecretValue", "get_secret_value", {"SecretId": "one"}),
        ("sts", "GetCallerIdentity", "get_caller_identity", {}),
        ("ssm", "GetParameter", "get_parameter", {"Name": "one"}),
    ],
)
def test_every_service_can_refuse(
    cloud: Cloud, service: str, operation: str, method: str, ask: dict[str, str]
) -> None:
    cloud.fail(operation, "AccessDenied", status=403)

    with pytest.raises(ClientError) as caught:
        getattr(cloud.client(service), method)(**ask)
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_lost_answer_was_performed_and_the_retry_meets_what_it_made(cloud: Cloud) -> None:
    cloud.instance("clinic")
    rds = cloud.client("rds")
    cloud.lose("CreateDBSnapshot")

    with pytest.raises(rds.exceptions.DBSnapshotAlreadyExistsFault):
        rds.create_db_snapshot(DBInstanceIdentifier="clinic", DBSnapshotIdentifier="one")
    assert len(cloud.called("CreateDBSnapshot")) == 2


def test_a_connection_that_drops_every_time_is_an_error(cloud: Cloud) -> None:
    cloud.lose("DescribeDBInstances", times=3)

    with pytest.raises(ConnectionClosedError):
        cloud.client("rds").describe_db_instances()


def test_a_fault_that_never_happens_fails_its_test(cloud: Cloud) -> None:
    cloud.fail("CreateDBSnapshot", "Throttling")

    with pytest.raises(AssertionError, match="1 of CreateDBSnapshot"):
        cloud.check()
    cloud.faults.clear()


def test_an_account_is_empty_after_a_reset(cloud: Cloud) -> None:
    cloud.instance("clinic")
    cloud.reset()

    assert cloud.client("rds").describe_db_instances()["DBInstances"] == []
    assert len(cloud.calls) == 1
