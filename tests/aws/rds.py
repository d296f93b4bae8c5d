"""What AWS does and moto does not: states over time, unique ids, renames that take their time.

A subclass of what answers in moto; `manners` says how slow and how kind AWS is in one test.
"""

import random
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from moto.core.responses import ActionResult, PaginatedResult
from moto.rds import models, urls
from moto.rds.exceptions import RDSClientError
from moto.rds.models import DBCluster, DBInstance
from moto.rds.responses import RDSResponse

#: What moto gives to every instance.
_ONE_FOR_ALL = "db-M5ENSHXFPU6XHZ4G4ZEI5QIO2U"

#: AWS has one for each account and region, so that an endpoint comes back with the identifier.
HASH = "aaaaaaaaaa"


@dataclass(slots=True)
class Change:
    """Something that AWS is busy with: a status for each describe to come, then `settle`."""

    thing: Any
    statuses: list[str]
    settle: Callable[[], None]
    total: int = 0


@dataclass(slots=True)
class Manners:
    """How AWS behaves in one test. Counts are describes that still show something as busy."""

    snapshot_takes: int = 2
    snapshot_ends: str = "available"
    instance_takes: int = 2
    instance_ends: str = "available"
    #: The port of what is restored next; None leaves it as in the snapshot.
    restored_port: int | None = None
    changes: list[Change] = field(default_factory=list)

    def begin(self, thing: Any, statuses: Sequence[str], settle: Callable[[], None]) -> None:
        """Let every describe that follows show the next of `statuses`, and settle after them."""
        left = list(statuses)
        self.changes.append(Change(thing, left, settle, len(left)))

    def tick(self, kinds: tuple[type, ...]) -> None:
        """Move what is busy one step on; called before a describe is answered."""
        for change in [one for one in self.changes if isinstance(one.thing, kinds)]:
            if change.statuses:
                change.thing.status = change.statuses.pop(0)
                done = change.total - len(change.statuses) - 1
                change.thing.percent_progress = 100 * done // (change.total + 1)
            else:
                self.changes.remove(change)
                change.thing.percent_progress = 100
                change.settle()


manners = Manners()


def install() -> None:
    """Let moto answer with the manners of AWS, in this process; before its first request."""
    urls.url_paths["{0}/$"] = Rds.dispatch
    DBInstance.endpoint = property(_endpoint)  # type: ignore[assignment,method-assign]
    DBCluster.status = property(lambda self: self._status, _set_status)  # type: ignore[assignment,method-assign]


def _endpoint(database: DBInstance) -> dict[str, Any] | None:
    if database.status == "creating":
        return None
    return {"Address": database.address, "Port": database.port, "HostedZoneId": "Z2R2ITUGPM61AM"}


def _set_status(cluster: DBCluster, status: str) -> None:
    cluster._status = status


def refuse(code: str, message: str) -> RDSClientError:
    """Return an error as RDS answers it; `code` is that of the model's shape."""
    return RDSClientError(code, message)


class Rds(RDSResponse):
    """The operations of RDS that moto answers otherwise than AWS."""

    def describe_db_instances(self) -> ActionResult:
        manners.tick((DBInstance,))
        return super().describe_db_instances()

    def describe_db_clusters(self) -> ActionResult:
        manners.tick((DBCluster,))
        return PaginatedResult(super().describe_db_clusters().result)

    def describe_db_snapshots(self) -> ActionResult:
        manners.tick((models.DBSnapshot,))
        return PaginatedResult(super().describe_db_snapshots().result)

    def describe_db_cluster_snapshots(self) -> ActionResult:
        manners.tick((models.DBClusterSnapshot,))
        return PaginatedResult(super().describe_db_cluster_snapshots().result)

    def create_db_instance(self) -> ActionResult:
        answer = super().create_db_instance()
        self._born(_of(answer, "DBInstance"))
        return answer

    def create_db_instance_read_replica(self) -> ActionResult:
        answer = super().create_db_instance_read_replica()
        self._born(_of(answer, "DBInstance"))
        return answer

    def create_db_cluster(self) -> ActionResult:
        answer = super().create_db_cluster()
        self._born_cluster(_of(answer, "DBCluster"))
        return answer

    def create_db_snapshot(self) -> ActionResult:
        answer = super().create_db_snapshot()
        snapshot = _of(answer, "DBSnapshot")
        database = self.backend.databases[snapshot.db_instance_identifier]
        self._copying(snapshot, database)
        snapshot.availability_zone = database.availability_zone
        snapshot.storage_type = database.storage_type
        return answer

    def create_db_cluster_snapshot(self) -> ActionResult:
        answer = super().create_db_cluster_snapshot()
        snapshot = _of(answer, "DBClusterSnapshot")
        self._copying(snapshot, self.backend.clusters[snapshot.db_cluster_identifier])
        return answer

    def restore_db_instance_from_db_snapshot(self) -> ActionResult:
        answer = super().restore_db_instance_from_db_snapshot()
        self._restored(_of(answer, "DBInstance"))
        return answer

    def restore_db_instance_to_point_in_time(self) -> ActionResult:
        answer = super().restore_db_instance_to_point_in_time()
        self._restored(_of(answer, "DBInstance"))
        return answer

    def restore_db_cluster_from_snapshot(self) -> ActionResult:
        answer = super().restore_db_cluster_from_snapshot()
        self._restored_cluster(_of(answer, "DBCluster"))
        return answer

    def restore_db_cluster_to_point_in_time(self) -> ActionResult:
        answer = super().restore_db_cluster_to_point_in_time()
        self._restored_cluster(_of(answer, "DBCluster"))
        return answer

    def _born(self, database: DBInstance) -> None:
        """Give an instance a resource id of its own; a member has its cluster's port."""
        database.dbi_resource_id = f"db-{_random()}"
        for snapshot in self.backend.database_snapshots.values():
            if snapshot.dbi_resource_id == _ONE_FOR_ALL:
                snapshot.dbi_resource_id = database.dbi_resource_id
                snapshot.database.dbi_resource_id = database.dbi_resource_id
        if database.db_cluster_identifier:
            database.port = self.backend.clusters[database.db_cluster_identifier].port

    def _born_cluster(self, cluster: DBCluster) -> None:
        cluster.url_identifier = HASH
        cluster.status = "available"

    def _restored(self, database: DBInstance) -> None:
        self._born(database)
        database.port = manners.restored_port or database.port
        _creating(database)

    def _restored_cluster(self, cluster: DBCluster) -> None:
        self._born_cluster(cluster)
        cluster.port = manners.restored_port or cluster.port
        _creating(cluster)

    def _copying(self, snapshot: Any, source: Any) -> None:
        """Let a snapshot take its time, while its source is backing up."""
        snapshot.status, snapshot.percent_progress = "creating", 0
        snapshot.snapshot_database_time = snapshot.created
        source.status = "backing-up"

        def end() -> None:
            snapshot.status, source.status = manners.snapshot_ends, "available"

        manners.begin(snapshot, ["creating"] * manners.snapshot_takes, end)


def _creating(thing: DBInstance | DBCluster) -> None:
    thing.status = "creating"

    def end() -> None:
        thing.status = manners.instance_ends

    manners.begin(thing, ["creating"] * manners.instance_takes, end)


def _of(answer: ActionResult, key: str) -> Any:
    return answer.result[key]  # type: ignore[index]


def _random() -> str:
    return "".join(random.choices(string.ascii_uppercase + string.digits, k=26))
