"""What AWS refuses and moto lets pass. Each raises the error that RDS answers with."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from moto.ec2.models import ec2_backends
from moto.rds.exceptions import RDSClientError
from moto.rds.models import DBInstance, RDSBackend

from tests.aws.manners import manners

#: In these, RDS takes snapshots and changes (model text of CreateDBSnapshot).
_USABLE = ("available", "storage-optimization")

_TAG = re.compile(r"[\w\s.:/=+\-@]*")


def refused(code: str, message: str) -> RDSClientError:
    """Return an error; `code` is the name of the model's shape, from which moto has the rest."""
    return RDSClientError(code, message)


def identifier(value: str, limit: int, name: str) -> None:
    """Refuse what is no identifier of an RDS resource."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", value)
    if not plain or "--" in value or value.endswith("-") or len(value) > limit:
        raise refused("InvalidParameterValue", f"The parameter {name} is not a valid identifier.")


def tags(given: Iterable[Mapping[str, str]] | None) -> None:
    """Refuse tags that RDS does not take: reserved keys, long or JSON values, too many."""
    pairs = list(given or ())
    if len(pairs) > 50:
        raise refused("InvalidParameterValue", "Too many tags.")
    for pair in pairs:
        key, value = pair["Key"], pair.get("Value") or ""
        if key.lower().startswith(("aws:", "rds:")):
            raise refused("InvalidParameterValue", f"The tag key {key} is reserved.")
        if not 1 <= len(key) <= 128 or len(value) > 256:
            raise refused("InvalidParameterValue", f"The tag {key} is too long.")
        if not (_TAG.fullmatch(key) and _TAG.fullmatch(value)):
            raise refused("InvalidParameterValue", f"Invalid tag value: {value}")


def usable(database: Any) -> None:
    """Refuse an instance that is busy."""
    if database.status not in _USABLE:
        raise refused(
            "InvalidDBInstanceStateFault",
            "Cannot create a snapshot because the database instance "
            f"{database.db_instance_identifier} is not currently in the available state.",
        )


def usable_cluster(cluster: Any) -> None:
    """Refuse a cluster that is busy."""
    if cluster.status not in _USABLE:
        raise refused(
            "InvalidDBClusterStateFault",
            f"DbCluster {cluster.db_cluster_identifier} is in {cluster.status} state",
        )


def member(database: DBInstance) -> None:
    """Refuse the member of a cluster where a stand-alone instance is wanted."""
    if database.db_cluster_identifier:
        raise refused(
            "InvalidParameterValue",
            f"The specified instance {database.db_instance_identifier} is a member of a cluster "
            "and a snapshot cannot be created directly. Please use the CreateDBClusterSnapshot "
            "API instead.",
        )


def quota(snapshots: Iterable[Any]) -> None:
    """Refuse one manual snapshot more than there may be; automated ones do not count."""
    if manual(snapshots) >= manners.quota:
        raise refused(
            "SnapshotQuotaExceededFault",
            f"Cannot create more than {manners.quota} manual snapshots",
        )


def manual(snapshots: Iterable[Any]) -> int:
    """Return how many snapshots count."""
    return sum(1 for one in snapshots if one.snapshot_type == "manual")


def complete(snapshot: Any, code: str) -> None:
    """Refuse a snapshot that is not available."""
    if snapshot.status != "available":
        raise refused(code, f"The snapshot is in state {snapshot.status}, not available.")


def automated(snapshot: Any, code: str) -> None:
    """Refuse to delete an automated snapshot."""
    if snapshot.snapshot_type == "automated":
        raise refused(code, "Automated snapshots cannot be deleted.")


def storage(kind: str | None, size: int, params: Mapping[str, Any]) -> None:
    """Refuse speed for a small gp3 volume of PostgreSQL, which only larger ones may choose."""
    speed = params.get("Iops") or params.get("StorageThroughput")
    if kind == "gp3" and size < 400 and speed:
        raise refused(
            "InvalidParameterCombination",
            "You can't specify IOPS or storage throughput for engine postgres and a storage "
            "size less than 400.",
        )


def zones(params: Mapping[str, Any]) -> None:
    """Refuse a zone together with Multi-AZ."""
    if params.get("MultiAZ") and params.get("AvailabilityZone"):
        raise refused(
            "InvalidParameterCombination",
            "Requesting a specific availability zone is not valid for Multi-AZ instances.",
        )


def groups(backend: RDSBackend, params: Mapping[str, Any]) -> None:
    """Refuse security groups, subnet groups and parameter groups that are not there."""
    known = ec2_backends[backend.account_id][backend.region_name]
    for group in params.get("VpcSecurityGroupIds") or ():
        if not known.get_security_group_from_id(group):
            raise refused(
                "InvalidParameterValue", f"Invalid security group , groupId= {group}, groupName=."
            )
    subnets = params.get("DBSubnetGroupName")
    if subnets and subnets not in backend.subnet_groups:
        raise refused("DBSubnetGroupNotFoundFault", f"DB subnet group '{subnets}' does not exist.")
    settings = params.get("DBParameterGroupName")
    if settings and not _there(settings, backend.db_parameter_groups):
        raise refused("DBParameterGroupNotFoundFault", f"DBParameterGroup not found: {settings}")
    settings = params.get("DBClusterParameterGroupName")
    if settings and not _there(settings, backend.db_cluster_parameter_groups):
        raise refused(
            "DBClusterParameterGroupNotFoundFault", f"DBClusterParameterGroup not found: {settings}"
        )


def _there(name: str, known: Mapping[str, Any]) -> bool:
    return name.startswith("default.") or name in known


def moment(
    asked: datetime | None, *, latest: bool, oldest: datetime, newest: datetime | None
) -> None:
    """Refuse a point in time that cannot be restored."""
    if newest is None:
        raise refused("PointInTimeRestoreNotEnabledFault", "Point in time restore is not enabled.")
    if (asked is None) == (not latest):
        raise refused(
            "InvalidParameterCombination",
            "Specify either a time or UseLatestRestorableTime, and not both.",
        )
    if asked and not oldest <= asked.replace(tzinfo=None) <= newest.replace(tzinfo=None):
        raise refused("InvalidRestoreFault", f"{asked} is not between {oldest} and {newest}.")


def ending(params: Mapping[str, Any], key: str) -> None:
    """Refuse to delete without a word on the final snapshot, or with two."""
    if bool(params.get("SkipFinalSnapshot")) == bool(params.get(key)):
        raise refused(
            "InvalidParameterCombination",
            f"{key} is required unless SkipFinalSnapshot is specified, and only then.",
        )


def page(most: int) -> None:
    """Refuse a page that is too small or too large (API reference of DescribeDBInstances)."""
    if not 20 <= most <= 100:
        raise refused("InvalidParameterValue", "MaxRecords must be between 20 and 100.")
