"""From the host of a URL to the RDS instance or cluster behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from migsafe.aws import Cloud

#: A stand-alone instance, an Aurora cluster, or a Multi-AZ DB cluster.
Kind = Literal["instance", "aurora", "multi-az-cluster"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """What is snapshotted and restored. `via` says by which of its names it was found.

    `described` is the whole answer of describe_db_instances or describe_db_clusters, `members`
    those of a cluster's instances, `proxies` the names of RDS Proxies that lead to it.
    """

    kind: Kind
    id: str
    resource_id: str
    arn: str
    region: str
    account: str
    host: str
    port: int
    via: str
    described: Mapping[str, Any] = field(repr=False)
    members: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    proxies: Sequence[str] = ()


def identify(
    cloud: Cloud, host: str, *, db_instance: str | None = None, db_cluster: str | None = None
) -> Database:
    """Return the database that is written to through `host`; what config names goes before it.

    Readers, replicas and names that lead nowhere are a UsageError that names them.
    """
    raise NotImplementedError
