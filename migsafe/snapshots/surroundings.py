"""What AWS does not keep with a snapshot: who led to the database, and what it was told.

Reads only. What the role may not ask is named and left out.
"""

from collections.abc import Callable, Mapping
from typing import Any

from migsafe.aws.identify import Database
from migsafe.snapshots.preflight import allowed

Described = Mapping[str, Any]


def read(client: Any, database: Database, now: Described, denied: list[str]) -> dict[str, Any]:
    """Return everything around the database that a restore has to bring back, or to tell of.

    `described` is its whole description, `secret` the ARN of the master user's, never the value.
    """
    parts: dict[str, Callable[[], Any]] = {
        "proxies": lambda: [_proxy(client, name) for name in database.proxies],
        "endpoints": lambda: _endpoints(client, database),
        "parameters": lambda: _parameters(client, database, now),
        "restore_window": lambda: _window(client, database, now),
    }
    return {
        "kind": database.kind,
        "id": database.id,
        "resource_id": database.resource_id,
        "arn": database.arn,
        "account": database.account,
        "region": database.region,
        "host": database.host,
        "port": database.port,
        "via": database.via,
        "secret": (now.get("MasterUserSecret") or {}).get("SecretArn"),
        "described": dict(now),
        "members": [dict(one) for one in database.members],
        **{name: allowed(ask, f"{name} of {database.id}", denied) for name, ask in parts.items()},
    }


def _proxy(client: Any, name: str) -> dict[str, Any]:
    """Return a proxy with its target groups, each with the targets, which are known by name."""
    answer = client.describe_db_proxies(DBProxyName=name)["DBProxies"][0]
    groups = client.describe_db_proxy_target_groups(DBProxyName=name)["TargetGroups"]
    for group in groups:
        asked = {"DBProxyName": name, "TargetGroupName": group["TargetGroupName"]}
        group["Targets"] = client.describe_db_proxy_targets(**asked)["Targets"]
    return {**answer, "TargetGroups": groups}


def _endpoints(client: Any, database: Database) -> list[Described]:
    """Return the custom endpoints of an Aurora cluster, which are in no snapshot."""
    if database.kind != "aurora":
        return []
    pages = client.get_paginator("describe_db_cluster_endpoints").paginate(
        DBClusterIdentifier=database.id
    )
    every = [one for page in pages for one in page["DBClusterEndpoints"]]
    return [one for one in every if one.get("EndpointType") == "CUSTOM"]


def _parameters(client: Any, database: Database, now: Described) -> dict[str, dict[str, str]]:
    """Return by group what somebody has set, for the day on which the group is gone."""
    found = {}
    described = [now, *database.members]
    groups = {
        g["DBParameterGroupName"] for one in described for g in one.get("DBParameterGroups", [])
    }
    for name in sorted(groups):
        found[name] = _set(client, "describe_db_parameters", DBParameterGroupName=name)
    if cluster := now.get("DBClusterParameterGroup"):
        found[cluster] = _set(
            client, "describe_db_cluster_parameters", DBClusterParameterGroupName=cluster
        )
    return found


def _set(client: Any, operation: str, **group: str) -> dict[str, str]:
    if next(iter(group.values())).startswith("default."):
        return {}
    pages = client.get_paginator(operation).paginate(Source="user", **group)
    every = [one for page in pages for one in page["Parameters"]]
    return {one["ParameterName"]: one.get("ParameterValue", "") for one in every}


def _window(client: Any, database: Database, now: Described) -> dict[str, Any]:
    """Return the earliest and the latest moment that the database can be taken back to."""
    latest = now.get("LatestRestorableTime")
    if database.kind != "instance":
        return {"earliest": now.get("EarliestRestorableTime"), "latest": latest}
    asked = {"DbiResourceId": database.resource_id}
    kept = client.describe_db_instance_automated_backups(**asked)["DBInstanceAutomatedBackups"]
    earliest = [one["RestoreWindow"]["EarliestTime"] for one in kept if "RestoreWindow" in one]
    return {"earliest": min(earliest, default=None), "latest": latest}
