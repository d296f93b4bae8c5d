"""What AWS gives to a new or a restored database: ids of its own, and defaults, not what was."""

import random
import string
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models import ec2_backends
from moto.rds.models import DBCluster, DBInstance, RDSBackend
from moto.rds.utils import FilterDef

from tests.aws.manners import manners

#: What moto gives to every instance.
_ONE_FOR_ALL = "db-M5ENSHXFPU6XHZ4G4ZEI5QIO2U"

#: AWS has one for each account and region, so that an endpoint comes back with the identifier.
HASH = "aaaaaaaaaa"

#: gp3 of PostgreSQL, from AWS's page on storage: below 400 GiB, and from there on.
_SPEED = {False: (3000, 125), True: (12000, 500)}

#: What a request for Performance Insights shows up as.
_INSIGHTS = {
    "EnablePerformanceInsights": "performance_insights_enabled",
    "PerformanceInsightsKMSKeyId": "performance_insights_kms_key_id",
    "PerformanceInsightsRetentionPeriod": "performance_insights_retention_period",
    "DatabaseInsightsMode": "database_insights_mode",
}


def install() -> None:
    """Let moto's objects show what AWS shows of them."""
    DBInstance.endpoint = property(_endpoint)  # type: ignore[assignment,method-assign]
    DBInstance.latest_restorable_time = property(restorable_to)  # type: ignore[assignment,method-assign]
    DBCluster.latest_restorable_time = property(restorable_to)  # type: ignore[assignment,method-assign]
    DBCluster.status = property(lambda self: self._status, _set_status)  # type: ignore[assignment,method-assign]
    by_resource = FilterDef(["db_cluster_resource_id"], "DB Cluster Resource Ids")
    DBCluster.SUPPORTED_FILTERS["db-cluster-resource-id"] = by_resource


def _endpoint(database: DBInstance) -> dict[str, Any] | None:
    if database.status == "creating":
        return None
    return {"Address": database.address, "Port": database.port, "HostedZoneId": "Z2R2ITUGPM61AM"}


def _set_status(cluster: DBCluster, status: str) -> None:
    cluster._status = status


def restorable_to(thing: Any) -> datetime | None:
    """Return LatestRestorableTime: nothing where no backups are kept."""
    if not thing.backup_retention_period:
        return None
    return utcnow() - timedelta(seconds=manners.restorable_lag)


def born(backend: RDSBackend, database: DBInstance, params: Mapping[str, Any]) -> None:
    """Give a new instance a resource id of its own, a subnet group, and its volume's speed."""
    database.dbi_resource_id = f"db-{_random()}"
    for snapshot in backend.database_snapshots.values():
        if snapshot.dbi_resource_id == _ONE_FOR_ALL:
            snapshot.dbi_resource_id = database.dbi_resource_id
            snapshot.database.dbi_resource_id = database.dbi_resource_id
    insights(database, params)
    if not getattr(database, "_db_subnet_group_name", None):
        database.db_subnet_group_name = _subnet_group(backend)
    if database.db_cluster_identifier:
        database.port = backend.clusters[database.db_cluster_identifier].port
    elif database.storage_type == "gp3" and not params.get("Iops"):
        iops, throughput = _SPEED[database.allocated_storage >= 400]
        database.iops, database.storage_throughput = iops, throughput  # type: ignore[assignment]


def insights(database: DBInstance, params: Mapping[str, Any]) -> None:
    """Show what was said of Performance Insights."""
    for asked, shown in _INSIGHTS.items():
        if params.get(asked) is not None:
            setattr(database, shown, params[asked])


def born_cluster(backend: RDSBackend, cluster: DBCluster, params: Mapping[str, Any]) -> None:
    """Give a new cluster the account's hash, its own parameter group, and default groups."""
    cluster.url_identifier = HASH
    if not params.get("DBClusterParameterGroupName"):
        cluster.parameter_group = f"default.{cluster.engine}{cluster.engine_version.split('.')[0]}"
    if not cluster.vpc_security_group_ids:
        cluster.vpc_security_group_ids = [default_group(backend)]
    if cluster.db_subnet_group_name == "default":
        _subnet_group(backend)


def restored(backend: RDSBackend, database: DBInstance, params: Mapping[str, Any]) -> None:
    """Take from a restored instance what AWS does not give back (2.1 of the AWS facts)."""
    database.multi_az = bool(params.get("MultiAZ"))
    database.deletion_protection = bool(params.get("DeletionProtection"))
    database.publicly_accessible = bool(params.get("PubliclyAccessible"))
    database.copy_tags_to_snapshot = bool(params.get("CopyTagsToSnapshot"))
    database.enable_iam_database_authentication = bool(
        params.get("EnableIAMDatabaseAuthentication")
    )
    database.enabled_cloudwatch_logs_exports = list(params.get("EnableCloudwatchLogsExports") or ())
    database.ca_certificate_identifier = params.get("CACertificateIdentifier") or "rds-ca-default"
    database.monitoring_interval, database.monitoring_role_arn = 0, None
    database.storage_type = params.get("StorageType") or "gp3"
    database.iops = params.get("Iops")
    database.vpc_security_group_ids = list(
        params.get("VpcSecurityGroupIds") or [default_group(backend)]
    )
    database.db_parameter_group_name = params.get("DBParameterGroupName")
    if not params.get("DBSubnetGroupName"):
        database.db_subnet_group_name = _subnet_group(backend)
    if not params.get("MaxAllocatedStorage"):
        database.max_allocated_storage = database.allocated_storage
    database.source_db_instance_identifier = None
    _without_secret(database)
    database.port = manners.restored_port or database.port


def restored_cluster(backend: RDSBackend, cluster: DBCluster, params: Mapping[str, Any]) -> None:
    """Take from a restored cluster what AWS does not give back."""
    cluster.deletion_protection = bool(params.get("DeletionProtection"))
    cluster.iam_auth = bool(params.get("EnableIAMDatabaseAuthentication"))
    cluster.copy_tags_to_snapshot = bool(params.get("CopyTagsToSnapshot"))
    cluster.enabled_cloudwatch_logs_exports = list(params.get("EnableCloudwatchLogsExports") or ())
    cluster.vpc_security_group_ids = list(
        params.get("VpcSecurityGroupIds") or [default_group(backend)]
    )
    cluster.db_subnet_group_name = params.get("DBSubnetGroupName") or _subnet_group(backend)
    cluster.engine_version = params.get("EngineVersion") or DBCluster.default_engine_version(
        cluster.engine
    )
    born_cluster(backend, cluster, params)
    _without_secret(cluster)
    cluster.port = manners.restored_port or cluster.port


def _without_secret(thing: Any) -> None:
    """Take away the managed secret that moto makes; AWS restores the password, not the secret."""
    if getattr(thing, "master_user_secret", None):
        thing.master_user_secret.delete_secret()
        del thing.master_user_secret
    thing.manage_master_user_password = False


def default_group(backend: RDSBackend) -> str:
    """Return the id of the default security group of the default VPC."""
    ec2 = ec2_backends[backend.account_id][backend.region_name]
    group = ec2.get_default_security_group(ec2.default_vpc.id)
    assert group
    return str(group.id)


def _subnet_group(backend: RDSBackend) -> str:
    if "default" not in backend.subnet_groups:
        subnets = ec2_backends[backend.account_id][backend.region_name].describe_subnets()
        backend.create_subnet_group("default", "default", list(subnets), [])
    return "default"


def _random() -> str:
    return "".join(random.choices(string.ascii_uppercase + string.digits, k=26))
