"""The cloud of the tests refuses what AWS refuses, gives what AWS gives, and no more."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.cloud import Cloud

TAGS = [{"Key": "migsafe:managed", "Value": "true"}]


def refused(call: Any, **params: Any) -> str:
    """Return the code that a call is refused with."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    code: str = caught.value.response["Error"]["Code"]
    return code


def snapshot(cloud: Cloud, name: str, of: str = "clinic") -> None:
    """Take a snapshot of an instance that is complete at once."""
    cloud.client("rds").create_db_snapshot(
        DBInstanceIdentifier=of, DBSnapshotIdentifier=name, Tags=TAGS
    )
    cloud.manners.finish(cloud.backend().database_snapshots[name])


def cluster_snapshot(cloud: Cloud, name: str, of: str = "clinic") -> None:
    """Take a snapshot of a cluster that is complete at once."""
    cloud.client("rds").create_db_cluster_snapshot(
        DBClusterIdentifier=of, DBClusterSnapshotIdentifier=name, Tags=TAGS
    )
    cloud.manners.finish(cloud.backend().cluster_snapshots[name])


@pytest.mark.parametrize("status", ["backing-up", "stopped", "storage-full"])
def test_no_snapshot_of_an_instance_that_is_not_available(cloud: Cloud, status: str) -> None:
    cloud.instance("clinic")
    cloud.backend().databases["clinic"].status = status

    call = cloud.client("rds").create_db_snapshot
    ask = {"DBInstanceIdentifier": "clinic", "DBSnapshotIdentifier": "one"}
    assert refused(call, **ask) == "InvalidDBInstanceState"

    cloud.backend().databases["clinic"].status = "storage-optimization"
    assert call(**ask)


def test_no_instance_snapshot_of_a_cluster_member(cloud: Cloud) -> None:
    cloud.cluster("clinic")

    call = cloud.client("rds").create_db_snapshot
    ask = {"DBInstanceIdentifier": "clinic-one", "DBSnapshotIdentifier": "one"}
    assert refused(call, **ask) == "InvalidParameterValue"


@pytest.mark.parametrize("name", ["1a", "a--b", "a" * 64, "a-", "a_b"])
def test_no_cluster_snapshot_under_a_bad_name(cloud: Cloud, name: str) -> None:
    cloud.cluster("clinic", members=())

    call = cloud.client("rds").create_db_cluster_snapshot
    ask = {"DBClusterIdentifier": "clinic", "DBClusterSnapshotIdentifier": name}
    assert refused(call, **ask) == "InvalidParameterValue"


def test_no_cluster_snapshot_while_another_is_taken(cloud: Cloud) -> None:
    cloud.cluster("clinic", members=())
    call = cloud.client("rds").create_db_cluster_snapshot
    call(DBClusterIdentifier="clinic", DBClusterSnapshotIdentifier="one")

    ask = {"DBClusterIdentifier": "clinic", "DBClusterSnapshotIdentifier": "two"}
    assert refused(call, **ask) == "InvalidDBClusterStateFault"


def test_automated_snapshots_do_not_count_and_manual_ones_do(cloud: Cloud) -> None:
    cloud.instance("clinic")
    cloud.manners.quota = 1
    snapshot(cloud, "one")

    call = cloud.client("rds").create_db_snapshot
    ask = {"DBInstanceIdentifier": "clinic", "DBSnapshotIdentifier": "two"}
    assert refused(call, **ask) == "SnapshotQuotaExceeded"
    quotas = cloud.client("rds").describe_account_attributes()["AccountQuotas"]
    assert {"AccountQuotaName": "ManualSnapshots", "Used": 1, "Max": 1} in quotas


@pytest.mark.parametrize(
    "tag",
    [
        ("aws:own", "x"),
        ("RDS:own", "x"),
        ("json", '{"a": 1}'),
        ("long", "x" * 257),
        ("k" * 129, "x"),
    ],
)
def test_no_tag_that_rds_does_not_take(cloud: Cloud, tag: tuple[str, str]) -> None:
    arn = cloud.instance("clinic")["DBInstanceArn"]
    rds, tags = cloud.client("rds"), [{"Key": tag[0], "Value": tag[1]}]

    ask = {"DBInstanceIdentifier": "clinic", "DBSnapshotIdentifier": "one", "Tags": tags}
    assert refused(rds.create_db_snapshot, **ask) == "InvalidParameterValue"
    ask = {"ResourceName": arn, "Tags": tags}
    assert refused(rds.add_tags_to_resource, **ask) == "InvalidParameterValue"


def test_no_more_than_fifty_tags(cloud: Cloud) -> None:
    arn = cloud.instance("clinic")["DBInstanceArn"]
    tags = [{"Key": f"k{number}", "Value": "x"} for number in range(51)]

    call = cloud.client("rds").add_tags_to_resource
    assert refused(call, ResourceName=arn, Tags=tags) == "InvalidParameterValue"
    call(ResourceName=arn, Tags=tags[:50])


def test_no_deletion_of_a_snapshot_that_is_busy_or_automated(cloud: Cloud) -> None:
    cloud.instance("clinic")
    rds = cloud.client("rds")
    rds.create_db_snapshot(DBInstanceIdentifier="clinic", DBSnapshotIdentifier="one")
    own = next(iter(cloud.backend().database_snapshots))

    assert refused(rds.delete_db_snapshot, DBSnapshotIdentifier="one") == "InvalidDBSnapshotState"
    assert refused(rds.delete_db_snapshot, DBSnapshotIdentifier=own) == "InvalidDBSnapshotState"
    cloud.manners.finish(cloud.backend().database_snapshots["one"])
    rds.delete_db_snapshot(DBSnapshotIdentifier="one")


def test_no_rename_onto_an_instance_that_is_there(cloud: Cloud) -> None:
    cloud.instance("clinic")
    cloud.instance("other")

    ask = {"DBInstanceIdentifier": "other", "NewDBInstanceIdentifier": "clinic"}
    call = cloud.client("rds").modify_db_instance
    assert refused(call, **ask, ApplyImmediately=True) == "DBInstanceAlreadyExists"


def test_a_rename_without_apply_immediately_waits_for_the_window(cloud: Cloud) -> None:
    cloud.instance("clinic")
    rds = cloud.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier="clinic", NewDBInstanceIdentifier="later")

    for _ in range(6):
        rds.describe_db_instances()

    found = cloud.described("clinic")
    assert found["PendingModifiedValues"] == {"DBInstanceIdentifier": "later"}
    assert found["DBInstanceStatus"] == "available"


def test_a_rename_takes_its_time_and_keeps_the_resource_id(cloud: Cloud) -> None:
    before = cloud.instance("clinic", port=6000)
    rds = cloud.client("rds")
    rds.modify_db_instance(
        DBInstanceIdentifier="clinic", NewDBInstanceIdentifier="failed", ApplyImmediately=True
    )
    only = [{"Name": "dbi-resource-id", "Values": [before["DbiResourceId"]]}]

    seen = [rds.describe_db_instances(Filters=only)["DBInstances"][0] for _ in range(6)]

    assert [(one["DBInstanceIdentifier"], one["DBInstanceStatus"]) for one in seen] == [
        ("clinic", "available"),
        ("clinic", "renaming"),
        ("failed", "rebooting"),
        ("failed", "rebooting"),
        ("failed", "rebooting"),
        ("failed", "available"),
    ]
    ask = {"DBInstanceIdentifier": "clinic"}
    assert refused(rds.describe_db_instances, **ask) == "DBInstanceNotFound"
    assert seen[-1]["Endpoint"]["Address"] == before["Endpoint"]["Address"].replace(
        "clinic", "failed"
    )
    assert seen[-1]["Endpoint"]["Port"] == 6000


def test_a_change_shows_the_old_values_first(cloud: Cloud) -> None:
    cloud.instance("clinic")
    rds = cloud.client("rds")
    rds.modify_db_instance(
        DBInstanceIdentifier="clinic",
        MonitoringInterval=60,
        MonitoringRoleArn="arn:aws:iam::123456789012:role/monitoring",
        EnablePerformanceInsights=True,
        ApplyImmediately=True,
    )

    seen = [rds.describe_db_instances()["DBInstances"][0] for _ in range(3)]

    assert [one["DBInstanceStatus"] for one in seen] == ["available", "modifying", "available"]
    assert [one["MonitoringInterval"] for one in seen] == [0, 0, 60]
    assert seen[2]["PerformanceInsightsEnabled"] is True


def test_no_change_of_an_instance_that_is_busy(cloud: Cloud) -> None:
    cloud.instance("clinic")
    cloud.backend().databases["clinic"].status = "renaming"

    ask = {"DBInstanceIdentifier": "clinic", "MultiAZ": True, "ApplyImmediately": True}
    assert refused(cloud.client("rds").modify_db_instance, **ask) == "InvalidDBInstanceState"


def test_a_restored_instance_has_defaults_and_not_what_was(cloud: Cloud) -> None:
    cloud.instance(
        "clinic",
        MultiAZ=True,
        DeletionProtection=True,
        PubliclyAccessible=True,
        EnableIAMDatabaseAuthentication=True,
        EnableCloudwatchLogsExports=["postgresql"],
        MaxAllocatedStorage=100,
        ManageMasterUserPassword=True,
        Tags=[{"Key": "app", "Value": "ehr"}],
    )
    snapshot(cloud, "one")
    rds = cloud.client("rds")
    rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="beside",
        DBSnapshotIdentifier="one",
        MultiAZ=False,
        DeletionProtection=False,
    )

    found = cloud.described("beside")
    assert not any(
        found[key]
        for key in (
            "MultiAZ",
            "DeletionProtection",
            "PubliclyAccessible",
            "IAMDatabaseAuthenticationEnabled",
        )
    )
    assert not found.get("EnabledCloudwatchLogsExports")
    assert "MaxAllocatedStorage" not in found
    assert "MasterUserSecret" not in found
    assert found["DBSubnetGroup"]["DBSubnetGroupName"] == "default"
    secrets = cloud.client("secretsmanager").list_secrets()["SecretList"]
    assert len(secrets) == 1


def test_a_restored_instance_has_what_was_asked_for(cloud: Cloud) -> None:
    groups = _groups(cloud)
    rds = cloud.client("rds")
    rds.create_db_parameter_group(
        DBParameterGroupName="own", DBParameterGroupFamily="postgres16", Description="own"
    )
    cloud.instance("clinic")
    snapshot(cloud, "one")
    asked = {
        "MultiAZ": True,
        "DeletionProtection": True,
        "CopyTagsToSnapshot": True,
        "StorageType": "gp3",
    }
    rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="beside",
        DBSnapshotIdentifier="one",
        VpcSecurityGroupIds=groups,
        DBSubnetGroupName="private",
        DBParameterGroupName="own",
        Tags=TAGS,
        **asked,
    )

    found = cloud.described("beside")
    assert {key: found[key] for key in asked} == asked
    assert found["DBSubnetGroup"]["DBSubnetGroupName"] == "private"
    assert [one["VpcSecurityGroupId"] for one in found["VpcSecurityGroups"]] == groups
    assert found["DBParameterGroups"][0]["DBParameterGroupName"] == "own"
    assert found["TagList"] == TAGS


def _groups(cloud: Cloud) -> list[str]:
    """Create a security group and the subnet group ``private``; return the former's id."""
    ec2 = cloud.client("ec2")
    subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"][:2]]
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    group = ec2.create_security_group(GroupName="db", Description="db", VpcId=vpc)["GroupId"]
    cloud.client("rds").create_db_subnet_group(
        DBSubnetGroupName="private", DBSubnetGroupDescription="private", SubnetIds=subnets
    )
    return [group]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"DBSubnetGroupName": "gone"}, "DBSubnetGroupNotFoundFault"),
        ({"DBParameterGroupName": "gone"}, "DBParameterGroupNotFound"),
        ({"VpcSecurityGroupIds": ["sg-00000000"]}, "InvalidParameterValue"),
        ({"Iops": 3000}, "InvalidParameterCombination"),
        ({"StorageType": "gp3", "StorageThroughput": 125}, "InvalidParameterCombination"),
        ({"MultiAZ": True, "AvailabilityZone": "eu-central-1a"}, "InvalidParameterCombination"),
        ({"DBInstanceIdentifier": "clinic"}, "DBInstanceAlreadyExists"),
        ({"DBInstanceIdentifier": "a--b"}, "InvalidParameterValue"),
        ({"DBSnapshotIdentifier": "gone"}, "DBSnapshotNotFound"),
        ({"Tags": [{"Key": "aws:x", "Value": "x"}]}, "InvalidParameterValue"),
    ],
)
def test_no_restore_with_what_aws_refuses(cloud: Cloud, asked: dict[str, Any], code: str) -> None:
    cloud.instance("clinic")
    snapshot(cloud, "one")

    ask = {"DBInstanceIdentifier": "beside", "DBSnapshotIdentifier": "one"} | asked
    assert refused(cloud.client("rds").restore_db_instance_from_db_snapshot, **ask) == code


def test_a_small_gp3_volume_shows_a_speed_that_a_restore_may_not_name(cloud: Cloud) -> None:
    found = cloud.instance("clinic")

    assert (found["StorageType"], found["Iops"], found["StorageThroughput"]) == ("gp3", 3000, 125)


def test_no_restore_of_a_snapshot_that_is_not_complete(cloud: Cloud) -> None:
    cloud.instance("clinic")
    rds = cloud.client("rds")
    rds.create_db_snapshot(DBInstanceIdentifier="clinic", DBSnapshotIdentifier="one")

    ask = {"DBInstanceIdentifier": "beside", "DBSnapshotIdentifier": "one"}
    call = rds.restore_db_instance_from_db_snapshot
    assert refused(call, **ask) == "InvalidDBSnapshotState"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "InvalidParameterCombination"),
        ({"RestoreTime": datetime(2001, 1, 1, tzinfo=UTC)}, "InvalidRestoreFault"),
        ({"RestoreTime": datetime.now(UTC) + timedelta(days=1)}, "InvalidRestoreFault"),
        (
            {"RestoreTime": datetime.now(UTC), "UseLatestRestorableTime": True},
            "InvalidParameterCombination",
        ),
    ],
)
def test_no_restore_to_a_moment_that_is_none(
    cloud: Cloud, asked: dict[str, Any], code: str
) -> None:
    found = cloud.instance("clinic")

    ask = {
        "SourceDbiResourceId": found["DbiResourceId"],
        "TargetDBInstanceIdentifier": "beside",
    } | asked
    assert refused(cloud.client("rds").restore_db_instance_to_point_in_time, **ask) == code


def test_no_restore_to_a_moment_where_no_backups_are_kept(cloud: Cloud) -> None:
    found = cloud.instance("clinic", BackupRetentionPeriod=0)

    ask = {"SourceDBInstanceIdentifier": "clinic", "TargetDBInstanceIdentifier": "beside"}
    call = cloud.client("rds").restore_db_instance_to_point_in_time
    assert "LatestRestorableTime" not in found
    assert refused(call, **ask, UseLatestRestorableTime=True) == "PointInTimeRestoreNotEnabled"


def test_a_restore_to_a_moment_takes_the_instance_of_that_resource_id(cloud: Cloud) -> None:
    cloud.instance("other", AllocatedStorage=50)
    wanted = cloud.instance("clinic", AllocatedStorage=30)

    cloud.client("rds").restore_db_instance_to_point_in_time(
        SourceDbiResourceId=wanted["DbiResourceId"],
        TargetDBInstanceIdentifier="beside",
        UseLatestRestorableTime=True,
    )

    found = cloud.described("beside")
    assert found["AllocatedStorage"] == 30
    assert "ReadReplicaSourceDBInstanceIdentifier" not in found
    assert found["DBInstanceStatus"] == "creating"


def test_the_latest_restorable_time_lags_behind(cloud: Cloud) -> None:
    cloud.manners.restorable_lag = 300.0

    found = cloud.instance("clinic")
    assert datetime.now(UTC) - found["LatestRestorableTime"] > timedelta(seconds=299)


def test_a_restored_cluster_has_no_instances_and_the_default_version(cloud: Cloud) -> None:
    cloud.cluster(
        "clinic", port=6000, DeletionProtection=True, ManageMasterUserPassword=True, Tags=TAGS
    )
    cluster_snapshot(cloud, "one")
    cloud.restores_to(6001)
    rds = cloud.client("rds")
    rds.restore_db_cluster_from_snapshot(
        DBClusterIdentifier="beside", SnapshotIdentifier="one", Engine="aurora-postgresql"
    )

    found = cloud.described_cluster("beside")
    assert (found["DBClusterMembers"], found["Status"]) == ([], "creating")
    assert found["EngineVersion"] != cloud.described_cluster("clinic")["EngineVersion"]
    assert not found["DeletionProtection"]
    assert "MasterUserSecret" not in found
    assert found["Port"] == 6001
    ask = {
        "DBInstanceIdentifier": "beside-one",
        "DBClusterIdentifier": "beside",
        "Engine": "aurora-postgresql",
        "DBInstanceClass": "db.r6g.large",
    }
    assert refused(rds.create_db_instance, **ask) == "InvalidDBClusterStateFault"
    cloud.manners.finish(cloud.backend().clusters["beside"])
    rds.create_db_instance(**ask)
    cloud.manners.finish(cloud.backend().databases["beside-one"])
    assert cloud.described("beside-one")["Endpoint"]["Port"] == 6001


def test_a_multi_az_cluster_brings_its_three_instances(cloud: Cloud) -> None:
    found = cloud.cluster("clinic", Engine="postgres", DBClusterInstanceClass="db.m6gd.large")

    assert [one["IsClusterWriter"] for one in found["DBClusterMembers"]] == [True, False, False]


def test_a_cluster_keeps_its_members_and_its_hash_when_it_is_renamed(cloud: Cloud) -> None:
    before = cloud.cluster("clinic")
    cloud.cluster("other", members=())
    rds = cloud.client("rds")
    ask = {"DBClusterIdentifier": "clinic", "ApplyImmediately": True}

    call = rds.modify_db_cluster
    assert refused(call, **ask, NewDBClusterIdentifier="other") == "DBClusterAlreadyExistsFault"
    call(**ask, NewDBClusterIdentifier="failed")
    cloud.manners.finish(cloud.backend().clusters["clinic"])

    after = cloud.described_cluster("failed")
    assert after["DbClusterResourceId"] == before["DbClusterResourceId"]
    assert len(after["DBClusterMembers"]) == 2
    assert after["Endpoint"] == before["Endpoint"].replace("clinic", "failed")
    ask = {"DBClusterIdentifier": "clinic"}
    assert refused(rds.describe_db_clusters, **ask) == "DBClusterNotFoundFault"


def test_no_deletion_without_a_word_on_the_final_snapshot(cloud: Cloud) -> None:
    cloud.instance("clinic")

    call = cloud.client("rds").delete_db_instance
    assert refused(call, DBInstanceIdentifier="clinic") == "InvalidParameterCombination"
    call(DBInstanceIdentifier="clinic", SkipFinalSnapshot=True)


def test_snapshots_come_in_pages(cloud: Cloud) -> None:
    cloud.instance("clinic")
    for number in range(21):
        snapshot(cloud, f"one-{number}")
    rds = cloud.client("rds")

    first = rds.describe_db_snapshots(SnapshotType="manual", MaxRecords=20)
    pages = rds.get_paginator("describe_db_snapshots").paginate(
        SnapshotType="manual", PaginationConfig={"PageSize": 20}
    )

    assert refused(rds.describe_db_snapshots, MaxRecords=5) == "InvalidParameterValue"
    assert len(first["DBSnapshots"]) == 20
    assert first["Marker"]
    assert sum(len(page["DBSnapshots"]) for page in pages) == 21


def test_a_proxy_leads_to_the_members_of_its_cluster(cloud: Cloud) -> None:
    cloud.cluster("clinic")
    made = cloud.proxy("pool", cluster="clinic")
    rds = cloud.client("rds")

    targets = rds.describe_db_proxy_targets(DBProxyName="pool")["Targets"]

    assert made["Endpoint"] == "pool.proxy-aaaaaaaaaa.eu-central-1.rds.amazonaws.com"
    assert [(one["Type"], one["RdsResourceId"], one.get("Role")) for one in targets] == [
        ("TRACKED_CLUSTER", "clinic", None),
        ("RDS_INSTANCE", "clinic-one", "READ_WRITE"),
        ("RDS_INSTANCE", "clinic-two", "READ_ONLY"),
    ]
    ask = {"DBProxyName": "gone"}
    assert refused(rds.describe_db_proxy_targets, **ask) == "DBProxyNotFoundFault"


def test_what_moto_lacks_is_answered(cloud: Cloud) -> None:
    rds = cloud.client("rds")
    cloud.manners.cluster_endpoints.append(
        {"DBClusterIdentifier": "clinic", "EndpointType": "CUSTOM", "CustomEndpointType": "ANY"}
    )

    assert rds.describe_db_proxy_endpoints()["DBProxyEndpoints"] == []
    assert rds.describe_pending_maintenance_actions()["PendingMaintenanceActions"] == []
    found = rds.describe_db_cluster_endpoints(DBClusterIdentifier="clinic")
    assert found["DBClusterEndpoints"][0]["CustomEndpointType"] == "ANY"


def test_backups_say_from_when_to_when_they_restore(cloud: Cloud) -> None:
    cloud.instance("clinic")

    rds = cloud.client("rds")
    found = rds.describe_db_instance_automated_backups(DBInstanceIdentifier="clinic")

    window = found["DBInstanceAutomatedBackups"][0]["RestoreWindow"]
    assert window["EarliestTime"] <= window["LatestTime"]
