"""The operations of RDS that moto answers otherwise than AWS, or not at all."""

from collections.abc import Callable
from typing import Any

from moto.core.parse import XFormedDict
from moto.core.responses import ActionResult
from moto.rds import urls
from moto.rds.models import DBCluster, DBClusterSnapshot, DBInstance, DBSnapshot
from moto.rds.responses import RDSResponse

from tests.aws import defaults, refusals
from tests.aws.manners import manners

#: What waits for the maintenance window where ApplyImmediately is not given.
_IN_WINDOW = (
    "DBInstanceClass",
    "AllocatedStorage",
    "MultiAZ",
    "BackupRetentionPeriod",
    "MasterUserPassword",
)


def install() -> None:
    """Let moto answer with the manners of AWS, in this process; before its first request."""
    urls.url_paths["{0}/$"] = Rds.dispatch
    defaults.install()


class Rds(RDSResponse):
    """What answers in place of moto's own."""

    def describe_db_instances(self) -> ActionResult:
        manners.tick((DBInstance,))
        return self._page(super().describe_db_instances(), "DBInstances")

    def describe_db_proxies(self) -> ActionResult:
        return self._page(super().describe_db_proxies(), "DBProxies")

    def describe_db_clusters(self) -> ActionResult:
        manners.tick((DBCluster,))
        return self._page(super().describe_db_clusters(), "DBClusters")

    def describe_db_snapshots(self) -> ActionResult:
        manners.tick((DBSnapshot,))
        return self._page(super().describe_db_snapshots(), "DBSnapshots")

    def describe_db_cluster_snapshots(self) -> ActionResult:
        manners.tick((DBClusterSnapshot,))
        return self._page(super().describe_db_cluster_snapshots(), "DBClusterSnapshots")

    def create_db_instance(self) -> ActionResult:
        refusals.tags(self.params.get("Tags"))
        refusals.groups(self.backend, self.params)
        size = self.params.get("AllocatedStorage") or 20
        refusals.storage(self.params.get("StorageType"), size, self.params)
        cluster = self.params.get("DBClusterIdentifier") or ""
        if cluster in self.backend.clusters:
            refusals.usable_cluster(self.backend.clusters[cluster])
        answer = super().create_db_instance()
        database = _of(answer, "DBInstance")
        defaults.born(self.backend, database, self.params)
        _creating(database)
        return answer

    def create_db_instance_read_replica(self) -> ActionResult:
        answer = super().create_db_instance_read_replica()
        database = _of(answer, "DBInstance")
        defaults.born(self.backend, database, self.params)
        _creating(database)
        return answer

    def create_db_cluster(self) -> ActionResult:
        name = self.params["DBClusterIdentifier"]
        refusals.identifier(name, 63, "DBClusterIdentifier")
        refusals.tags(self.params.get("Tags"))
        refusals.groups(self.backend, self.params)
        if name in self.backend.clusters:
            raise refusals.refused("DBClusterAlreadyExistsFault", "DB Cluster already exists")
        answer = super().create_db_cluster()
        cluster = _of(answer, "DBCluster")
        defaults.born_cluster(self.backend, cluster, self.params)
        self._standbys(cluster)
        _creating(cluster)
        return answer

    def create_db_snapshot(self) -> ActionResult:
        database = self._instance()
        refusals.tags(self.params.get("Tags"))
        refusals.member(database)
        if self.params["DBSnapshotIdentifier"] not in self.backend.database_snapshots:
            refusals.usable(database)
            refusals.quota(self.backend.database_snapshots.values())
        answer = super().create_db_snapshot()
        snapshot = _of(answer, "DBSnapshot")
        snapshot.availability_zone = database.availability_zone
        snapshot.storage_type, snapshot.iops = database.storage_type, database.iops
        _copying(snapshot, database)
        return answer

    def create_db_cluster_snapshot(self) -> ActionResult:
        name = self.params["DBClusterSnapshotIdentifier"]
        refusals.identifier(name, 63, "DBClusterSnapshotIdentifier")
        refusals.tags(self.params.get("Tags"))
        cluster = self._cluster()
        if name not in self.backend.cluster_snapshots:
            refusals.usable_cluster(cluster)
            refusals.quota(self.backend.cluster_snapshots.values())
        answer = super().create_db_cluster_snapshot()
        _copying(_of(answer, "DBClusterSnapshot"), cluster)
        return answer

    def delete_db_snapshot(self) -> ActionResult:
        snapshot = self.backend.database_snapshots.get(self.params["DBSnapshotIdentifier"])
        if snapshot:
            refusals.automated(snapshot, "InvalidDBSnapshotStateFault")
            refusals.complete(snapshot, "InvalidDBSnapshotStateFault")
        return super().delete_db_snapshot()

    def delete_db_cluster_snapshot(self) -> ActionResult:
        name = self.params["DBClusterSnapshotIdentifier"]
        snapshot = self.backend.cluster_snapshots.get(name)
        if snapshot:
            refusals.automated(snapshot, "InvalidDBClusterSnapshotStateFault")
            refusals.complete(snapshot, "InvalidDBClusterSnapshotStateFault")
        return super().delete_db_cluster_snapshot()

    def add_tags_to_resource(self) -> ActionResult:
        refusals.tags(self.params.get("Tags"))
        return super().add_tags_to_resource()

    def restore_db_instance_from_db_snapshot(self) -> ActionResult:
        name = self.params["DBSnapshotIdentifier"].rpartition(":snapshot:")[2]
        snapshot = self.backend.get_db_snapshot(name)
        refusals.complete(snapshot, "InvalidDBSnapshotStateFault")
        self._restorable(snapshot.allocated_storage)
        answer = super().restore_db_instance_from_db_snapshot()
        self._restored(_of(answer, "DBInstance"))
        return answer

    def restore_db_instance_to_point_in_time(self) -> ActionResult:
        source = self._source()
        self.params["SourceDBInstanceIdentifier"] = source.db_instance_identifier
        refusals.moment(
            self.params.get("RestoreTime"),
            latest=bool(self.params.get("UseLatestRestorableTime")),
            oldest=source.created,
            newest=source.latest_restorable_time,
        )
        self._restorable(source.allocated_storage)
        answer = super().restore_db_instance_to_point_in_time()
        self._restored(_of(answer, "DBInstance"))
        return answer

    def restore_db_cluster_from_snapshot(self) -> ActionResult:
        name = self.params["SnapshotIdentifier"].rpartition(":cluster-snapshot:")[2]
        snapshot = self.backend.get_db_cluster_snapshot(name)
        refusals.complete(snapshot, "InvalidDBClusterSnapshotStateFault")
        self.params["SnapshotIdentifier"] = name
        self._restorable_cluster()
        if not hasattr(snapshot.cluster, "_master_user_password"):
            snapshot.cluster._master_user_password = ""  # moto looks for it, managed or not
        answer = super().restore_db_cluster_from_snapshot()
        self._restored_cluster(_of(answer, "DBCluster"))
        return answer

    def restore_db_cluster_to_point_in_time(self) -> ActionResult:
        source = self.backend.clusters.get(self.params["SourceDBClusterIdentifier"])
        if source:
            refusals.moment(
                self.params.get("RestoreToTime"),
                latest=bool(self.params.get("UseLatestRestorableTime")),
                oldest=source.created,
                newest=source.latest_restorable_time,
            )
        self._restorable_cluster()
        answer = super().restore_db_cluster_to_point_in_time()
        self._restored_cluster(_of(answer, "DBCluster"))
        return answer

    def modify_db_instance(self) -> ActionResult:
        database = self._instance()
        refusals.usable(database)
        refusals.groups(self.backend, self.params)
        asked = XFormedDict(self.params.original_dict())
        new = asked.pop("NewDBInstanceIdentifier", None)
        if new:
            refusals.identifier(new, 63, "NewDBInstanceIdentifier")
            if new in self.backend.databases:
                raise refusals.refused("DBInstanceAlreadyExistsFault", "DB instance already exists")
        pending = {key: asked[key] for key in _IN_WINDOW if key in asked}
        database.pending_modified_values = pending | (  # type: ignore[attr-defined]
            {"DBInstanceIdentifier": new} if new else {}
        )
        if not asked.get("ApplyImmediately"):
            for key in pending:
                del asked[key]
            new = None
        self._changing(database, asked, new)
        return ActionResult({"DBInstance": database})

    def modify_db_cluster(self) -> ActionResult:
        cluster = self._cluster()
        refusals.usable_cluster(cluster)
        refusals.groups(self.backend, self.params)
        asked = XFormedDict(self.params.original_dict())
        new = asked.pop("NewDBClusterIdentifier", None)
        if new:
            refusals.identifier(new, 63, "NewDBClusterIdentifier")
            if new in self.backend.clusters:
                raise refusals.refused("DBClusterAlreadyExistsFault", "DB Cluster already exists")
        if new and not asked.get("ApplyImmediately"):
            cluster.pending_modified_values = {"DBClusterIdentifier": new}  # type: ignore[attr-defined]
            new = None
        self._changing_cluster(cluster, asked, new)
        return ActionResult({"DBCluster": cluster})

    def reboot_db_instance(self) -> ActionResult:
        database = self._instance()
        refusals.usable(database)
        _busy(database, "rebooting", lambda: _available(database))
        return ActionResult({"DBInstance": database})

    def delete_db_instance(self) -> ActionResult:
        database = self._instance()
        if not database.db_cluster_identifier:
            refusals.ending(self.params, "FinalDBSnapshotIdentifier")
        manners.finish(database)
        return super().delete_db_instance()

    def delete_db_cluster(self) -> ActionResult:
        cluster = self._cluster()
        refusals.ending(self.params, "FinalDBSnapshotIdentifier")
        manners.finish(cluster)
        return super().delete_db_cluster()

    def create_db_proxy(self) -> ActionResult:
        answer = super().create_db_proxy()
        proxy = _of(answer, "DBProxy")
        proxy.endpoint = (
            f"{proxy.db_proxy_name}.proxy-{defaults.HASH}.{proxy.region}.rds.amazonaws.com"
        )
        return answer

    def describe_db_proxy_targets(self) -> ActionResult:
        targets = [
            described
            for target in self._proxy().proxy_target_groups["default"].targets
            for described in self._target(target)
        ]
        return ActionResult({"Targets": targets})

    def register_db_proxy_targets(self) -> ActionResult:
        self._proxy()
        for name in self.params.get("DBInstanceIdentifiers") or ():
            self._instance(name)
        return super().register_db_proxy_targets()

    def deregister_db_proxy_targets(self) -> ActionResult:
        self._proxy()
        return super().deregister_db_proxy_targets()

    def describe_db_proxy_endpoints(self) -> ActionResult:
        """Answer what moto lacks; the endpoints are those of the manners."""
        return ActionResult({"DBProxyEndpoints": manners.proxy_endpoints})

    def describe_db_cluster_endpoints(self) -> ActionResult:
        """Answer what moto lacks; custom endpoints are those of the manners."""
        wanted = self.params.get("DBClusterIdentifier")
        custom = [
            one for one in manners.cluster_endpoints if wanted in (None, one["DBClusterIdentifier"])
        ]
        return ActionResult({"DBClusterEndpoints": custom})

    def describe_pending_maintenance_actions(self) -> ActionResult:
        """Answer what moto lacks."""
        return ActionResult({"PendingMaintenanceActions": manners.maintenance})

    def describe_account_attributes(self) -> ActionResult:
        """Answer what moto lacks: how much of each quota is used."""
        backend = self.backend
        used = {
            "ManualSnapshots": (refusals.manual(backend.database_snapshots.values()), None),
            "ManualClusterSnapshots": (refusals.manual(backend.cluster_snapshots.values()), None),
            "DBInstances": (len(backend.databases), 40),
            "DBClusters": (len(backend.clusters), 40),
        }
        quotas = [
            {"AccountQuotaName": name, "Used": count, "Max": most or manners.quota}
            for name, (count, most) in used.items()
        ]
        return ActionResult({"AccountQuotas": quotas})

    def describe_db_instance_automated_backups(self) -> ActionResult:
        wanted = self.params.get("DBInstanceIdentifier")
        backups = [
            {
                "DBInstanceIdentifier": one.db_instance_identifier,
                "DbiResourceId": one.dbi_resource_id,
                "Status": "active",
                "BackupRetentionPeriod": one.backup_retention_period,
                "RestoreWindow": {
                    "EarliestTime": one.created,
                    "LatestTime": one.latest_restorable_time,
                },
            }
            for one in self.backend.databases.values()
            if wanted in (None, one.db_instance_identifier) and one.backup_retention_period
        ]
        return ActionResult({"DBInstanceAutomatedBackups": backups})

    def _page(self, answer: ActionResult, key: str) -> ActionResult:
        """Cut one page out of an answer; moto cuts some, and not as AWS does."""
        most = self.params.get("MaxRecords") or 100
        refusals.page(most)
        start = int(self.params.get("Marker") or 0)
        rest = list(_of(answer, key))[start:]
        following = str(start + most) if len(rest) > most else None
        return ActionResult({key: rest[:most], "Marker": following})

    def _instance(self, name: str | None = None) -> DBInstance:
        return self.backend.describe_db_instances(name or self.params["DBInstanceIdentifier"])[0]

    def _cluster(self) -> DBCluster:
        return self.backend.describe_db_clusters(self.params["DBClusterIdentifier"])[0]

    def _proxy(self) -> Any:
        return self.backend.describe_db_proxies(self.params["DBProxyName"])[0]

    def _source(self) -> DBInstance:
        """Return what is restored to a point in time, by its name or its resource id."""
        resource = self.params.get("SourceDbiResourceId")
        for database in self.backend.databases.values():
            if resource and database.dbi_resource_id == resource:
                return database
        return self._instance(self.params.get("SourceDBInstanceIdentifier") or resource)

    def _restorable(self, size: int) -> None:
        name = self.params.get("DBInstanceIdentifier") or self.params["TargetDBInstanceIdentifier"]
        refusals.identifier(name, 63, "DBInstanceIdentifier")
        if name in self.backend.databases:
            raise refusals.refused("DBInstanceAlreadyExistsFault", "DB instance already exists")
        refusals.tags(self.params.get("Tags"))
        refusals.zones(self.params)
        refusals.groups(self.backend, self.params)
        refusals.storage(self.params.get("StorageType") or "gp3", size, self.params)

    def _restored(self, database: DBInstance) -> None:
        defaults.restored(self.backend, database, self.params)
        defaults.born(self.backend, database, self.params)
        _creating(database)

    def _restorable_cluster(self) -> None:
        name = self.params["DBClusterIdentifier"]
        refusals.identifier(name, 63, "DBClusterIdentifier")
        if name in self.backend.clusters:
            raise refusals.refused("DBClusterAlreadyExistsFault", "DB Cluster already exists")
        refusals.tags(self.params.get("Tags"))
        refusals.groups(self.backend, self.params)

    def _restored_cluster(self, cluster: DBCluster) -> None:
        defaults.restored_cluster(self.backend, cluster, self.params)
        self._standbys(cluster)
        _creating(cluster)

    def _standbys(self, cluster: DBCluster) -> None:
        """Make the three instances that a Multi-AZ DB cluster brings along."""
        for number in range(1, 4) if cluster.engine == "postgres" else ():
            made = self.backend.create_db_instance(
                {
                    "db_instance_identifier": f"{cluster.db_cluster_identifier}-instance-{number}",
                    "db_cluster_identifier": cluster.db_cluster_identifier,
                    "db_instance_class": cluster.db_cluster_instance_class,
                    "engine": "postgres",
                }
            )
            defaults.born(self.backend, made, {})

    def _changing(self, database: DBInstance, asked: XFormedDict, new: str | None) -> None:
        """Show the old values first, as AWS does, and the new ones when all is done."""

        def settle() -> None:
            if new:
                del self.backend.databases[database.db_instance_identifier]
                database.db_instance_identifier = new
                self.backend.databases[new] = database
                _busy(database, "rebooting", lambda: _available(database))
            asked["DBInstanceIdentifier"] = database.db_instance_identifier
            self.backend.modify_db_instance(database.db_instance_identifier, _plain(asked))
            defaults.insights(database, asked)
            if asked.get("ApplyImmediately"):
                database.pending_modified_values = {}  # type: ignore[attr-defined]
            if not new:
                _available(database)

        _changing(database, "renaming" if new else "modifying", settle)

    def _changing_cluster(self, cluster: DBCluster, asked: XFormedDict, new: str | None) -> None:
        def settle() -> None:
            old = cluster.db_cluster_identifier
            asked["DBClusterIdentifier"] = old
            self.backend.modify_db_cluster(_plain(asked))
            if asked.get("EnableIAMDatabaseAuthentication") is not None:
                cluster.iam_auth = asked["EnableIAMDatabaseAuthentication"]
            if new:
                members = cluster.members
                del self.backend.clusters[old]
                cluster.db_cluster_identifier = new
                self.backend.clusters[new] = cluster
                for member in members:
                    member.db_cluster_identifier = cluster.db_cluster_identifier
                _busy(cluster, "renaming", lambda: _available(cluster))

        _changing(cluster, "renaming" if new else "modifying", settle)

    def _target(self, target: Any) -> list[dict[str, Any]]:
        """Describe a proxy's target; AWS lists the instances of a tracked cluster, too."""
        name = target.rds_resource_id
        there = name in self.backend.databases or name in self.backend.clusters
        reached = there and name not in manners.unhealthy
        health = {"State": "AVAILABLE" if reached else "UNAVAILABLE"}
        first = {"RdsResourceId": name, "Type": target.type, "Port": 5432}
        if target.type != "TRACKED_CLUSTER":
            return [first | {"Role": "READ_WRITE", "TargetHealth": health}]
        cluster = self.backend.clusters.get(name)
        return [first] + [
            {
                "RdsResourceId": member.db_instance_identifier,
                "Type": "RDS_INSTANCE",
                "TrackedClusterId": name,
                "Role": "READ_WRITE" if member.is_cluster_writer else "READ_ONLY",
                "Endpoint": member.address,
                "TargetHealth": health,
            }
            for member in (cluster.members if cluster else ())
        ]


def _copying(snapshot: Any, source: Any) -> None:
    """Let a snapshot take its time, while its source is backing up."""
    snapshot.status, snapshot.percent_progress = "creating", 0
    snapshot.snapshot_database_time = snapshot.created
    source.status = "backing-up"

    def end() -> None:
        snapshot.status, source.status = manners.snapshot_ends, "available"

    manners.begin(snapshot, ["creating"] * manners.snapshot_takes, end)


def _creating(thing: Any) -> None:
    thing.status = "creating"

    def end() -> None:
        thing.status = manners.instance_ends

    manners.begin(thing, ["creating"] * manners.instance_takes, end)


def _changing(thing: Any, status: str, settle: Callable[[], None]) -> None:
    """Begin a change whose status shows only from the second describe on (boto3#609)."""
    busy = manners.instance_takes - 1
    manners.begin(thing, ["available"] + [status] * busy if busy >= 0 else [], settle)


def _busy(thing: Any, status: str, settle: Callable[[], None]) -> None:
    thing.status = status
    manners.begin(thing, [status] * manners.instance_takes, settle)


def _available(thing: Any) -> None:
    thing.status = "available"


def _plain(asked: XFormedDict) -> Any:
    """Return it as moto's backends declare it, although they rely on either spelling of a key."""
    return asked


def _of(answer: ActionResult, key: str) -> Any:
    return answer.result[key]  # type: ignore[index]
