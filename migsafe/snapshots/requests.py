"""From the description of a database to the requests that build it again from its snapshot.

Pure. A restore without them gives a database with the account's defaults: another network, other
parameters, one zone (RDS User Guide, "Restoring to a DB instance").
"""

from collections.abc import Mapping, Sequence
from typing import Any

Described = Mapping[str, Any]
Request = dict[str, Any]

#: The calls of a restore, by operation name; `create_db_instance` has a list, one a member.
RESTORE_INSTANCE = "restore_db_instance_from_db_snapshot"
MODIFY_INSTANCE = "modify_db_instance"
RESTORE_CLUSTER = "restore_db_cluster_from_snapshot"
MODIFY_CLUSTER = "modify_db_cluster"
CREATE_MEMBER = "create_db_instance"

#: What an instance smaller than this (GiB) may not be given back on gp3, though it has it: its
#: Iops and StorageThroughput are the baseline, and refused for PostgreSQL (reported by users).
_GP3_STRIPED = 400

#: Parameters that are called the same in the description.
_INSTANCE = (
    "DBInstanceClass",
    "MultiAZ",
    "PubliclyAccessible",
    "AutoMinorVersionUpgrade",
    "DeletionProtection",
    "CopyTagsToSnapshot",
    "BackupRetentionPeriod",
    "PreferredBackupWindow",
    "BackupTarget",
    "CACertificateIdentifier",
    "CustomIamInstanceProfile",
    "StorageType",
    "NetworkType",
    "DedicatedLogVolume",
    "EngineLifecycleSupport",
    "ProcessorFeatures",
)
_CLUSTER = (
    "Engine",
    "EngineVersion",
    "EngineMode",
    "Port",
    "DBClusterInstanceClass",
    "DeletionProtection",
    "CopyTagsToSnapshot",
    "BackupRetentionPeriod",
    "PreferredBackupWindow",
    "StorageType",
    "NetworkType",
    "EngineLifecycleSupport",
    "ServerlessV2ScalingConfiguration",
    "KmsKeyId",
)
_MEMBER = (
    "DBInstanceClass",
    "Engine",
    "PromotionTier",
    "PubliclyAccessible",
    "AutoMinorVersionUpgrade",
    "AvailabilityZone",
    "CopyTagsToSnapshot",
    "CACertificateIdentifier",
    "PreferredMaintenanceWindow",
)

#: What no restore takes, and a modify does.
_LATER = ("MaxAllocatedStorage", "PreferredMaintenanceWindow")


def of_instance(
    described: Described, *, snapshot: str, name: str, tags: Mapping[str, str]
) -> dict[str, Request]:
    """Build the restore of an instance as `name`, and what has to be modified afterwards."""
    restore = {
        "DBInstanceIdentifier": name,
        "DBSnapshotIdentifier": snapshot,
        **_same(described, _INSTANCE),
        **_network(described, described.get("Endpoint", {}).get("Port")),
        "EnableCloudwatchLogsExports": described.get("EnabledCloudwatchLogsExports", []),
        "Tags": _tags(described, tags),
        **_provisioned(described),
        **_options(described),
    }
    for group in described.get("DBParameterGroups", [])[:1]:
        restore["DBParameterGroupName"] = group["DBParameterGroupName"]
    later = _same(described, _LATER) | _watched(described) | _insights(described)
    return {RESTORE_INSTANCE: restore} | _modified(
        MODIFY_INSTANCE, "DBInstanceIdentifier", name, later
    )


def of_cluster(
    described: Described,
    members: Sequence[Described],
    *,
    snapshot: str,
    name: str,
    tags: Mapping[str, str],
) -> dict[str, Any]:
    """Build the restore of a cluster as `name`, of its members, and what is modified afterwards.

    A Multi-AZ DB cluster makes its own three instances, so it has no members here. Without
    EngineVersion the region's default would be taken, not the snapshot's.
    """
    own = "DBClusterInstanceClass" in described
    restore = {
        "DBClusterIdentifier": name,
        "SnapshotIdentifier": snapshot,
        **_same(described, _CLUSTER),
        **_network(described, described.get("Port")),
        "DBClusterParameterGroupName": described.get("DBClusterParameterGroup"),
        "EnableCloudwatchLogsExports": described.get("EnabledCloudwatchLogsExports", []),
        "AssociatedRoles": _roles(described),
        "Tags": _tags(described, tags),
        **(_same(described, ("Iops", "PubliclyAccessible")) if own else {}),
        **(_watched(described) | _insights(described, mode=False) if own else {}),
    }
    later = _same(described, ("PreferredMaintenanceWindow", "DatabaseInsightsMode"))
    found: dict[str, Any] = {
        RESTORE_CLUSTER: {key: value for key, value in restore.items() if value is not None},
        **_modified(MODIFY_CLUSTER, "DBClusterIdentifier", name, later),
    }
    if not own:
        found[CREATE_MEMBER] = [_member(one, described, name, tags) for one in members]
    return found


def _member(
    described: Described, cluster: Described, name: str, tags: Mapping[str, str]
) -> Request:
    """Build the creation of one member; its name keeps what it has beyond the cluster's."""
    rest = described["DBInstanceIdentifier"].removeprefix(f"{cluster['DBClusterIdentifier']}-")
    request = {
        "DBInstanceIdentifier": beside(name, rest),
        "DBClusterIdentifier": name,
        **_same(described, _MEMBER),
        "Tags": _tags(described, tags),
        **_watched(described),
        **_insights(described, mode=False),
    }
    for group in described.get("DBParameterGroups", [])[:1]:
        request["DBParameterGroupName"] = group["DBParameterGroupName"]
    return request


def beside(database: str, rest: str, longest: int = 63) -> str:
    """Return the name `database` with `rest` behind it, shortened to what AWS takes.

    An identifier has 63 characters at most, that of a Multi-AZ DB cluster 52.
    """
    last = rest[:24].strip("-")
    return f"{database[: longest - 1 - len(last)].rstrip('-')}-{last}"


def _modified(operation: str, key: str, name: str, later: Request) -> dict[str, Request]:
    """Return what is modified afterwards, at once and not in the next window, if there is any."""
    return {operation: {key: name, "ApplyImmediately": True, **later}} if later else {}


def _same(described: Described, names: Sequence[str]) -> Request:
    return {name: described[name] for name in names if described.get(name) is not None}


def _network(described: Described, port: int | None) -> Request:
    group = described.get("DBSubnetGroup")
    name = group["DBSubnetGroupName"] if isinstance(group, Mapping) else group
    found = {
        "Port": port,
        "DBSubnetGroupName": name,
        "EnableIAMDatabaseAuthentication": described.get("IAMDatabaseAuthenticationEnabled"),
        "VpcSecurityGroupIds": [
            one["VpcSecurityGroupId"] for one in described.get("VpcSecurityGroups", [])
        ],
    }
    return {key: value for key, value in found.items() if value not in (None, [])}


def _provisioned(described: Described) -> Request:
    kind, size = described.get("StorageType"), described.get("AllocatedStorage", 0)
    if kind in ("io1", "io2") or (kind == "gp3" and size >= _GP3_STRIPED):
        return {k: described[k] for k in ("Iops", "StorageThroughput") if described.get(k)}
    return {}


def _options(described: Described) -> Request:
    for group in described.get("OptionGroupMemberships", [])[:1]:
        if not group["OptionGroupName"].startswith("default:"):
            return {"OptionGroupName": group["OptionGroupName"]}
    return {}


def _watched(described: Described) -> Request:
    if not described.get("MonitoringInterval"):
        return {}
    return _same(described, ("MonitoringInterval", "MonitoringRoleArn"))


def _insights(described: Described, *, mode: bool = True) -> Request:
    found = _same(described, ("DatabaseInsightsMode",)) if mode else {}
    if not described.get("PerformanceInsightsEnabled"):
        return found
    keys = ("PerformanceInsightsKMSKeyId", "PerformanceInsightsRetentionPeriod")
    return {"EnablePerformanceInsights": True, **_same(described, keys), **found}


def _roles(described: Described) -> list[Request] | None:
    """Return the roles that a cluster restore takes; for instances each is a call of its own."""
    roles = [
        _same(role, ("RoleArn", "FeatureName"))
        for role in described.get("AssociatedRoles", [])
        if role.get("RoleArn")
    ]
    return roles or None


def _tags(described: Described, tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the database's own tags and ours; those of AWS itself are refused."""
    kept = {
        one["Key"]: one.get("Value", "")
        for one in described.get("TagList", [])
        if not one["Key"].startswith(("aws:", "rds:"))
    }
    return [{"Key": key, "Value": value} for key, value in (kept | dict(tags)).items()]
