"""Instances and clusters of RDS as a restore sees them: found by name or by what never changes.

A name is not who somebody is: it is given on. `resource_id` stays with the hardware.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from msgspec import Struct

from migsafe.aws import explained
from migsafe.snapshots.polling import DATABASE

#: The tag of what a restore has made, and of the database that it is about; the id of the restore.
MADE, CLAIMED = "migsafe:restore", "migsafe:restoring"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One instance or cluster as AWS describes it; `host` is None while it is made."""

    id: str
    resource_id: str
    arn: str
    status: str
    host: str | None
    port: int | None
    tags: Mapping[str, str]
    described: Mapping[str, Any] = field(repr=False)

    @property
    def usable(self) -> bool:
        """Tell whether it takes connections, and changes."""
        return self.status in DATABASE.good

    @property
    def failed(self) -> bool:
        """Tell whether it does not become usable without a person."""
        return DATABASE.fails(self.status)

    @property
    def busy(self) -> bool:
        """Tell whether AWS is at work on it, or has accepted a name that it does not show yet."""
        waits = self.described.get("PendingModifiedValues") or {}
        named = "DBInstanceIdentifier" in waits or "DBClusterIdentifier" in waits
        return named or not (self.usable or self.failed)


def asked(client: Any, operation: str, *unless: str, **params: Any) -> dict[str, Any] | None:
    """Return what AWS answers; None where it refuses with one of the codes of `unless`."""
    from botocore.exceptions import ClientError

    with explained(f"AWS {operation}"):
        try:
            answer: dict[str, Any] = getattr(client, operation)(**params)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in unless:
                return None
            raise
        return answer


class Kind(Protocol):
    """Instances, or clusters: the same calls by other names."""

    @property
    def noun(self) -> str:
        """What a person calls one."""
        ...

    def named(self, name: str) -> Thing | None:
        """Return who has a name now."""
        ...

    def known(self, resource_id: str) -> Thing | None:
        """Return somebody under whatever name."""
        ...

    def restore(self, request: Mapping[str, Any]) -> bool:
        """Begin a restore; False where the name is taken."""
        ...

    def rename(self, name: str, new: str) -> bool:
        """Begin a rename at once; False where there is nobody of that name, or AWS is busy."""
        ...

    def change(self, name: str, settings: Mapping[str, Any]) -> bool:
        """Begin a change at once; False where AWS is busy."""
        ...

    def delete(self, name: str) -> bool:
        """Begin to delete without a last snapshot; False where AWS is busy, or it is gone."""
        ...


class Instances(Struct, frozen=True):
    """Kind: DB instances, stand-alone or members of a cluster."""

    rds: Any
    noun: str = "instance"

    def named(self, name: str) -> Thing | None:
        """Return who has a name now."""
        return self._one("DBInstanceNotFound", DBInstanceIdentifier=name)

    def known(self, resource_id: str) -> Thing | None:
        """Return somebody under whatever name."""
        only = [{"Name": "dbi-resource-id", "Values": [resource_id]}]
        return self._one("DBInstanceNotFound", Filters=only)

    def _one(self, *unless: str, **which: Any) -> Thing | None:
        answer = asked(self.rds, "describe_db_instances", *unless, **which)
        found = answer["DBInstances"] if answer else []
        return instance(found[0]) if found else None

    def restore(self, request: Mapping[str, Any]) -> bool:
        """Begin a restore from a snapshot; False where the name is taken."""
        operation, taken = "restore_db_instance_from_db_snapshot", "DBInstanceAlreadyExists"
        return asked(self.rds, operation, taken, **request) is not None

    def create(self, request: Mapping[str, Any]) -> bool:
        """Begin to create a member of a cluster; False where the name is taken."""
        answer = asked(self.rds, "create_db_instance", "DBInstanceAlreadyExists", **request)
        return answer is not None

    def rename(self, name: str, new: str) -> bool:
        """Begin a rename, which without ApplyImmediately waits for the maintenance window."""
        return self._modified(name, {"NewDBInstanceIdentifier": new}, "DBInstanceNotFound")

    def change(self, name: str, settings: Mapping[str, Any]) -> bool:
        """Begin a change at once; False where AWS is busy."""
        return self._modified(name, settings)

    def _modified(self, name: str, settings: Mapping[str, Any], *unless: str) -> bool:
        refused = ("InvalidDBInstanceState", *unless)
        which = {"DBInstanceIdentifier": name, "ApplyImmediately": True}
        answer = asked(self.rds, "modify_db_instance", *refused, **which, **settings)
        return answer is not None

    def delete(self, name: str) -> bool:
        """Begin to delete without a last snapshot; False where AWS is busy, or it is gone."""
        which = {"DBInstanceIdentifier": name, "SkipFinalSnapshot": True}
        refused = ("InvalidDBInstanceState", "DBInstanceNotFound")
        return asked(self.rds, "delete_db_instance", *refused, **which) is not None


class Clusters(Struct, frozen=True):
    """Kind: Aurora clusters and Multi-AZ DB clusters."""

    rds: Any
    noun: str = "cluster"

    def named(self, name: str) -> Thing | None:
        """Return who has a name now."""
        return self._one("DBClusterNotFoundFault", DBClusterIdentifier=name)

    def known(self, resource_id: str) -> Thing | None:
        """Return somebody under whatever name."""
        only = [{"Name": "db-cluster-resource-id", "Values": [resource_id]}]
        return self._one("DBClusterNotFoundFault", Filters=only)

    def _one(self, *unless: str, **which: Any) -> Thing | None:
        answer = asked(self.rds, "describe_db_clusters", *unless, **which)
        found = answer["DBClusters"] if answer else []
        return cluster(found[0]) if found else None

    def restore(self, request: Mapping[str, Any]) -> bool:
        """Begin a restore from a snapshot; False where the name is taken."""
        operation, taken = "restore_db_cluster_from_snapshot", "DBClusterAlreadyExistsFault"
        return asked(self.rds, operation, taken, **request) is not None

    def rename(self, name: str, new: str) -> bool:
        """Begin a rename at once; False where there is nobody of that name, or AWS is busy."""
        return self._modified(name, {"NewDBClusterIdentifier": new}, "DBClusterNotFoundFault")

    def change(self, name: str, settings: Mapping[str, Any]) -> bool:
        """Begin a change at once; False where AWS is busy."""
        return self._modified(name, settings)

    def _modified(self, name: str, settings: Mapping[str, Any], *unless: str) -> bool:
        refused = ("InvalidDBClusterStateFault", *unless)
        which = {"DBClusterIdentifier": name, "ApplyImmediately": True}
        answer = asked(self.rds, "modify_db_cluster", *refused, **which, **settings)
        return answer is not None

    def delete(self, name: str) -> bool:
        """Begin to delete without a last snapshot; False where AWS is busy, or it is gone."""
        which = {"DBClusterIdentifier": name, "SkipFinalSnapshot": True}
        refused = ("InvalidDBClusterStateFault", "DBClusterNotFoundFault")
        return asked(self.rds, "delete_db_cluster", *refused, **which) is not None


def instance(described: Mapping[str, Any]) -> Thing:
    """Read the description of an instance."""
    endpoint = described.get("Endpoint") or {}
    return Thing(
        id=described["DBInstanceIdentifier"],
        resource_id=described["DbiResourceId"],
        arn=described["DBInstanceArn"],
        status=described["DBInstanceStatus"],
        host=endpoint.get("Address"),
        port=endpoint.get("Port"),
        tags=_tags(described),
        described=described,
    )


def cluster(described: Mapping[str, Any]) -> Thing:
    """Read the description of a cluster."""
    return Thing(
        id=described["DBClusterIdentifier"],
        resource_id=described["DbClusterResourceId"],
        arn=described["DBClusterArn"],
        status=described["Status"],
        host=described.get("Endpoint"),
        port=described.get("Port"),
        tags=_tags(described),
        described=described,
    )


def _tags(described: Mapping[str, Any]) -> dict[str, str]:
    return {pair["Key"]: pair.get("Value", "") for pair in described.get("TagList") or ()}


def fitted(name: str, word: str, run: str, limit: int = 63) -> str:
    """Return ``NAME-WORD-RUN``; of a name that is too long, two keep different beginnings."""
    suffix = f"-{word}-{run[-8:].lower()}"
    if len(name) + len(suffix) <= limit:
        return name + suffix
    mark = f"-{hashlib.sha256(name.encode()).hexdigest()[:4]}"
    return name[: limit - len(suffix) - len(mark)].rstrip("-") + mark + suffix
