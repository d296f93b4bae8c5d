"""What each endpoint of a region leads to, and which of them nobody should write through.

An identifier is not read out of an endpoint: a member, a proxy and a custom endpoint are named
otherwise than what they lead to.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from migsafe.aws import Cloud

Described = Mapping[str, Any]

#: RDS answers for Neptune and DocumentDB, too, and for other SQL.
_ENGINES = ("postgres", "aurora-postgresql")


class Way(Struct, frozen=True):
    """What an endpoint leads to, and why not to take it, where there is a reason."""

    owner: Described | None
    via: str
    problem: str | None = None
    remedy: str = ""


class Account(Struct, frozen=True, kw_only=True):
    """All that one region has of PostgreSQL. `targets` are those of each proxy, by its name."""

    cloud: Cloud
    client: Any
    instances: Sequence[Described]
    clusters: Sequence[Described]
    proxies: Sequence[Described]
    endpoints: Sequence[Described]
    targets: Mapping[str, Sequence[Described]]

    def instance(self, name: str | None) -> Described | None:
        """Return an instance by its identifier."""
        return _first(self.instances, "DBInstanceIdentifier", name)

    def cluster(self, name: str | None) -> Described | None:
        """Return a cluster by its identifier."""
        return _first(self.clusters, "DBClusterIdentifier", name)


# ---------------------------------------------------------------- what there is


def read(cloud: Cloud) -> Account:
    """Describe all of it, page by page."""
    client = cloud.client("rds")
    proxies = list(_pages(client, "describe_db_proxies", "DBProxies"))
    extra = _pages(client, "describe_db_proxy_endpoints", "DBProxyEndpoints") if proxies else ()
    ours = [one for one in proxies if one.get("EngineFamily") == "POSTGRESQL"]
    return Account(
        cloud=cloud,
        client=client,
        instances=list(_postgres(client, "describe_db_instances", "DBInstances")),
        clusters=list(_postgres(client, "describe_db_clusters", "DBClusters")),
        proxies=ours,
        endpoints=list(extra),
        targets={one["DBProxyName"]: _targets(client, one["DBProxyName"]) for one in ours},
    )


def _targets(client: Any, proxy: str) -> list[Described]:
    return list(_pages(client, "describe_db_proxy_targets", "Targets", DBProxyName=proxy))


def _postgres(client: Any, operation: str, key: str) -> Iterator[Described]:
    return (one for one in _pages(client, operation, key) if one.get("Engine") in _ENGINES)


def _pages(client: Any, operation: str, key: str, **ask: str) -> Iterator[Described]:
    for page in client.get_paginator(operation).paginate(**ask):
        yield from page[key]


def _first(described: Sequence[Described], key: str, name: str | None) -> Described | None:
    wanted = (name or "").lower()
    return next((one for one in described if one[key].lower() == wanted), None)


# ---------------------------------------------------------------- which of it is meant


def follow(account: Account, names: Sequence[str]) -> Way | None:
    """Return where the first of `names` that is an endpoint leads to; None where none is one."""
    ways = {plain(address): way for address, way in _addresses(account)}
    found = next((ways[name] for name in names if name in ways), None)
    return found() if found else None


def plain(host: str) -> str:
    """Return a host in the one spelling that names are compared in."""
    return host.lower().rstrip(".")


def _addresses(account: Account) -> Iterator[tuple[str, Callable[[], Way]]]:
    """Yield each endpoint with what follows it; that of what is being created is empty."""
    for one in account.instances:
        yield address(one), partial(_by_instance, account, one)
    for one in account.clusters:
        yield address(one), partial(standing, one, "endpoint")
        yield one.get("ReaderEndpoint", ""), partial(_by_reader, one)
        for custom in one.get("CustomEndpoints") or ():
            yield custom, partial(_by_custom, account, one, custom)
    for one in account.proxies:
        yield address(one), partial(_by_proxy, account, one["DBProxyName"])
    for one in account.endpoints:
        yield address(one), partial(_by_proxy_endpoint, account, one)


def _by_instance(account: Account, one: Described) -> Way:
    name = one["DBInstanceIdentifier"]
    if not one.get("DBClusterIdentifier"):
        return standing(one, "endpoint")
    cluster = account.cluster(one["DBClusterIdentifier"])
    if cluster is None:
        problem = f"is an instance of cluster {one['DBClusterIdentifier']}, which is not to be seen"
        return Way(None, name, problem, "allow rds:DescribeDBClusters")
    member = _first(cluster["DBClusterMembers"], "DBInstanceIdentifier", name)
    if not (member and member["IsClusterWriter"]):
        return Way(cluster, name, f"is {name}, a reader of {title(cluster)}", _writer(cluster))
    return standing(cluster, f"writer {name}")


def _by_reader(one: Described) -> Way:
    return Way(one, "reader endpoint", f"is the reader endpoint of {title(one)}", _writer(one))


def _by_custom(account: Account, one: Described, name: str) -> Way:
    ask = {"DBClusterIdentifier": one["DBClusterIdentifier"]}
    every = _pages(account.client, "describe_db_cluster_endpoints", "DBClusterEndpoints", **ask)
    found = next((e for e in every if plain(address(e)) == plain(name)), {})
    kind = found.get("CustomEndpointType") or found.get("EndpointType") or "unknown"
    if kind != "WRITER":
        problem = f"is a custom endpoint of {title(one)} of type {kind}, which may be a reader"
        return Way(one, "custom endpoint", problem, _writer(one))
    return standing(one, f"custom endpoint {found['DBClusterEndpointIdentifier']}")


def _by_proxy_endpoint(account: Account, one: Described) -> Way:
    way = _by_proxy(account, one["DBProxyName"])
    if one.get("TargetRole") == "READ_ONLY" and way.owner:
        problem = f"is a read-only endpoint of proxy {one['DBProxyName']}"
        return Way(way.owner, way.via, problem, _writer(way.owner))
    return way


def _by_proxy(account: Account, name: str) -> Way:
    via, targets = f"proxy {name}", account.targets.get(name, ())
    owner = next((found for one in targets if (found := target_of(account, one))), None)
    if owner is None:
        lost = ", ".join(sorted({one["RdsResourceId"] for one in targets}))
        problem = f"is {via}, whose target {lost} is not there" if lost else f"is {via} to nowhere"
        return Way(None, via, problem, "give it a target, or take the endpoint of the database")
    states = {(one.get("TargetHealth") or {}).get("State") for one in targets}
    if states - {None} == {"UNAVAILABLE"}:
        problem = f"is {via}, which does not reach {title(owner)}"
        return Way(owner, via, problem, _writer(owner))
    return standing(owner, via)


def target_of(account: Account, target: Described) -> Described | None:
    """Return what a proxy's target is: a cluster goes before its instances."""
    name = target.get("RdsResourceId")
    if target.get("Type") == "TRACKED_CLUSTER":
        return account.cluster(name)
    one = account.instance(name)
    cluster = target.get("TrackedClusterId") or (one or {}).get("DBClusterIdentifier")
    return account.cluster(cluster) if cluster else one


def standing(one: Described, via: str) -> Way:
    """Follow an endpoint to what it writes to, which may be a copy that nobody writes to."""
    source = one.get("ReadReplicaSourceDBInstanceIdentifier") or one.get(
        "ReadReplicaSourceDBClusterIdentifier"
    )
    source = source or one.get("ReplicationSourceIdentifier")
    if source:
        problem = f"is {title(one)}, a replica of {source}"
        return Way(one, via, problem, f"take the endpoint of {source}")
    members = one.get("DBClusterMembers") or ()
    if members and not any(member["IsClusterWriter"] for member in members):
        problem = f"is {title(one)}, which has no writer here"
        return Way(one, via, problem, "take the primary cluster of its global database")
    return Way(one, via)


# ---------------------------------------------------------------- what is said of it


def title(one: Described) -> str:
    """Return what a person calls it."""
    if "DBClusterIdentifier" in one and "DBInstanceIdentifier" not in one:
        return f"cluster {one['DBClusterIdentifier']}"
    return f"instance {one['DBInstanceIdentifier']}"


def address(one: Described) -> str:
    """Return the endpoint that writes; an empty string of what is still being created."""
    endpoint = one.get("Endpoint") or ""
    return endpoint.get("Address", "") if isinstance(endpoint, Mapping) else str(endpoint)


def _writer(one: Described) -> str:
    return f"take the endpoint that writes, {address(one)}"
