"""From the host of a URL to the RDS instance or cluster behind it.

AWS cannot be asked for an endpoint: all endpoints are held against the host, and against the names
that DNS says it stands for.
"""

import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from migsafe import aws
from migsafe.aws import Cloud, endpoints, explained
from migsafe.aws.endpoints import Account, Described, Way, plain
from migsafe.config import EnvConfig
from migsafe.errors import UnreachableError, UsageError, nearest

#: A stand-alone instance, an Aurora cluster, or a Multi-AZ DB cluster.
Kind = Literal["instance", "aurora", "multi-az-cluster"]

#: An endpoint; in China ``rds`` and the region have swapped.
_HOST = re.compile(
    r"[^.]+\.(?:endpoint\.)?[^.]+\.(?:([a-z]+(?:-[a-z]+)+-\d+)\.rds\.amazonaws\.com"
    r"|rds\.([a-z]+(?:-[a-z]+)+-\d+)\.amazonaws\.com\.cn)"
)

_NAME_IT = 'write db_instance = "…" or db_cluster = "…" into that environment of migsafe.toml'


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


def reach(host: str, env: EnvConfig) -> tuple[Cloud, Database]:
    """Connect in the region that the host, or what it stands for, is in; return what is there."""
    region = next((found for name in _names(host) if (found := region_of(name))), env.region)
    cloud = aws.connect(region=region, profile=env.profile, account=env.account)
    database = identify(cloud, host, db_instance=env.db_instance, db_cluster=env.db_cluster)
    return cloud, database


def region_of(host: str) -> str | None:
    """Return the region in the name of an RDS endpoint, None of any other name."""
    found = _HOST.fullmatch(plain(host))
    return (found[1] or found[2]) if found else None


def identify(
    cloud: Cloud, host: str, *, db_instance: str | None = None, db_cluster: str | None = None
) -> Database:
    """Return the database that is written to through `host`; what config names goes before it.

    Readers, replicas and names that lead nowhere are a UsageError that names them.
    """
    names = _names(host)
    _refuse_elsewhere(cloud, host, names)
    with explained(f"{host}: asking AWS what it is"):
        account = endpoints.read(cloud)
        way = endpoints.follow(account, names)
    if db_instance or db_cluster:
        named = _named(account, db_instance, db_cluster)
        _refuse_other(host, way, named)
        way = endpoints.standing(named, "name in the configuration")
    if way is None:
        raise _unmatched(account, host)
    if way.problem or not way.owner:
        raise UsageError(host, way.problem or "leads nowhere", way.remedy)
    return _database(account, way.owner, way.via)


# ---------------------------------------------------------------- names


def _names(host: str) -> list[str]:
    """Return the host, and what DNS says it is an alias of; an RDS name needs no DNS.

    A socket, and a list of hosts of which nobody knows which is taken, are no name at all.
    """
    if not host or "/" in host or "," in host:
        return []
    if region_of(host):
        return [plain(host)]
    canonical, aliases, _ = _resolved(plain(host))
    return [plain(host), *map(plain, (canonical, *aliases))]


def _resolved(host: str) -> tuple[str, list[str], list[str]]:
    """Return canonical name, aliases and addresses; only the name where DNS has nothing."""
    try:
        return socket.gethostbyname_ex(host)
    except OSError:
        return host, [], []


def _refuse_elsewhere(cloud: Cloud, host: str, names: Sequence[str]) -> None:
    """Refuse to look where the database is not: what AWS then says of it would mislead."""
    regions = [found for name in names if (found := region_of(name))]
    if regions and cloud.region not in regions:
        problem = f"is in {regions[0]}, and AWS is asked in {cloud.region}"
        raise UsageError(host, problem, f'write region = "{regions[0]}"')


def _refuse_other(host: str, way: Way | None, named: Described) -> None:
    """Refuse a configuration that names another database than the one that is written to."""
    if way and way.owner and way.owner is not named:
        seen, said = endpoints.title(way.owner), endpoints.title(named)
        problem = f"is {seen}, and the configuration names {said}"
        raise UsageError(host, problem, "correct db_instance, db_cluster or the URL")


def _named(account: Account, db_instance: str | None, db_cluster: str | None) -> Described:
    """Return what the configuration names; an instance of a cluster stands for the cluster."""
    if db_cluster:
        found, key = account.cluster(db_cluster), f'db_cluster = "{db_cluster}"'
        known = [one["DBClusterIdentifier"] for one in account.clusters]
    else:
        found, key = account.instance(db_instance), f'db_instance = "{db_instance}"'
        known = [one["DBInstanceIdentifier"] for one in account.instances]
    if found is None:
        problem = f"there is no such PostgreSQL in {_where(account)}"
        hint = nearest(db_cluster or db_instance or "", known) or "check the region and the account"
        raise UsageError(key, problem, hint)
    return account.cluster(found.get("DBClusterIdentifier")) or found


def _where(account: Account) -> str:
    return f"account {account.cloud.account}, {account.cloud.region}"


def _unmatched(account: Account, host: str) -> UsageError:
    problem = f"is no endpoint of a PostgreSQL in {_where(account)}{_hint(account, host)}"
    return UsageError(host or "the URL", problem, _NAME_IT)


def _hint(account: Account, host: str) -> str:
    """Name who has the same address: a hint, since addresses are given to others in time."""
    ours = set(_resolved(plain(host))[2])
    for one in (*account.clusters, *account.instances) if ours else ():
        address = endpoints.address(one)
        if address and ours & set(_resolved(address)[2]):
            return f", but has the address of {endpoints.title(one)}"
    return ""


def _database(account: Account, one: Described, via: str) -> Database:
    alone = "DBInstanceIdentifier" in one
    described = {"kind": "instance", **_of_instance(one)} if alone else _of_cluster(one)
    if not described["host"]:
        status = one.get("DBInstanceStatus") or one.get("Status")
        problem = f"has no endpoint: its status is {status}"
        raise UnreachableError(endpoints.title(one), problem, "wait until it is available")
    return Database(
        **described,
        region=account.cloud.region,
        account=account.cloud.account,
        via=via,
        described=one,
        members=[] if alone else _members(account, one),
        proxies=sorted(_proxies(account, one)),
    )


def _of_instance(one: Described) -> dict[str, Any]:
    return {
        "id": one["DBInstanceIdentifier"],
        "resource_id": one["DbiResourceId"],
        "arn": one["DBInstanceArn"],
        "host": endpoints.address(one),
        "port": (one.get("Endpoint") or {}).get("Port", 5432),
    }


def _of_cluster(one: Described) -> dict[str, Any]:
    """Describe a cluster; one of engine ``postgres`` is a Multi-AZ DB cluster."""
    return {
        "kind": "aurora" if one["Engine"].startswith("aurora") else "multi-az-cluster",
        "id": one["DBClusterIdentifier"],
        "resource_id": one["DbClusterResourceId"],
        "arn": one["DBClusterArn"],
        "host": endpoints.address(one),
        "port": one.get("Port", 5432),
    }


def _members(account: Account, cluster: Described) -> list[Described]:
    name = cluster["DBClusterIdentifier"]
    return [one for one in account.instances if one.get("DBClusterIdentifier") == name]


def _proxies(account: Account, one: Described) -> Iterator[str]:
    for name, targets in account.targets.items():
        if any(endpoints.target_of(account, target) is one for target in targets):
            yield name
