"""What RDS calls one thing of an instance and of a cluster: operations, keys, errors, quotas."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from migsafe.aws.identify import Database

Described = Mapping[str, Any]


class Calls(Struct, frozen=True, kw_only=True):
    """The names of one kind. `exists` and `missing` are classes of ``client.exceptions``."""

    create: str
    describe: str
    delete: str
    answer: str
    one: str
    id: str
    arn: str
    source: str
    exists: str
    missing: str
    quota: str
    describe_source: str
    sources: str
    status: str


INSTANCE = Calls(
    create="create_db_snapshot",
    describe="describe_db_snapshots",
    delete="delete_db_snapshot",
    answer="DBSnapshots",
    one="DBSnapshot",
    id="DBSnapshotIdentifier",
    arn="DBSnapshotArn",
    source="DBInstanceIdentifier",
    exists="DBSnapshotAlreadyExistsFault",
    missing="DBSnapshotNotFoundFault",
    quota="ManualSnapshots",
    describe_source="describe_db_instances",
    sources="DBInstances",
    status="DBInstanceStatus",
)

#: Of Aurora and Multi-AZ DB clusters alike. The instance's calls are refused for their members.
CLUSTER = Calls(
    create="create_db_cluster_snapshot",
    describe="describe_db_cluster_snapshots",
    delete="delete_db_cluster_snapshot",
    answer="DBClusterSnapshots",
    one="DBClusterSnapshot",
    id="DBClusterSnapshotIdentifier",
    arn="DBClusterSnapshotArn",
    source="DBClusterIdentifier",
    exists="DBClusterSnapshotAlreadyExistsFault",
    missing="DBClusterSnapshotNotFoundFault",
    quota="ManualClusterSnapshots",
    describe_source="describe_db_clusters",
    sources="DBClusters",
    status="Status",
)


def of(database: Database) -> Calls:
    """Return the names for a database."""
    return INSTANCE if database.kind == "instance" else CLUSTER


def described(client: Any, calls: Calls, name: str) -> Described | None:
    """Describe the snapshot of this name; None where it is not there, or not there yet."""
    try:
        answer = getattr(client, calls.describe)(**{calls.id: name})
    except getattr(client.exceptions, calls.missing):
        return None
    return next(iter(answer[calls.answer]), None)


def manual(client: Any, calls: Calls) -> Iterator[Described]:
    """Describe all manual snapshots of the account and region; there is no filter by tag."""
    for page in client.get_paginator(calls.describe).paginate(SnapshotType="manual"):
        yield from page[calls.answer]


def tags(one: Described) -> dict[str, str]:
    """Return the tags of something described, which need no call of their own."""
    return {tag["Key"]: tag.get("Value", "") for tag in one.get("TagList", [])}
