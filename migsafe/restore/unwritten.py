"""A manifest for a snapshot of RDS of which nothing is left but the snapshot and its tags.

The settings are those that the database has now, and what the snapshot held is not known: what is
restored by it stands beside, and is never called verified.
"""

from collections.abc import Mapping
from typing import Any

from migsafe.aws import explained, identify
from migsafe.aws.identify import Database
from migsafe.config import EnvConfig
from migsafe.snapshots import Fingerprint, Manifest, calls, rds, requests, surroundings
from migsafe.snapshots.manifest import TAG
from migsafe.target import Target

#: What is known of the rows and the schema: nothing.
UNKNOWN = Fingerprint(facts="", fact_count=0, counts={}, exact=False)


def found(target: Target, env: EnvConfig, name: str) -> Manifest | None:
    """Return a manifest for our snapshot of this name or run; None where there is none."""
    cloud, database = identify.reach(target.params.get("host", ""), env)
    client, names = cloud.client("rds"), calls.of(database)
    with explained(f"snapshots of {database.id}"):
        for one in calls.manual(client, names):
            tags = calls.tags(one)
            if rds.ours(database, one) and name in (one[names.id], tags.get(f"{TAG}run")):
                return _manifest(client, database, one, target)
    return None


def _manifest(client: Any, database: Database, one: Mapping[str, Any], target: Target) -> Manifest:
    names, tags, notes = calls.of(database), calls.tags(one), list[str]()
    snapshot = one[names.id]
    run = tags.get(f"{TAG}run", snapshot)  # a person may have taken tags away
    return Manifest(
        run=run,
        provider="rds",
        id=snapshot,
        taken=one["SnapshotCreateTime"],
        moment=rds.moment(tags.get(f"{TAG}created")) or one["SnapshotCreateTime"],
        place=target.place,
        database=target.params.get("dbname", ""),
        server_version=one["EngineVersion"],
        fingerprint=UNKNOWN,
        source=surroundings.read(client, database, database.described, notes),
        copy=dict(one),
        requests=_requests(database, snapshot, {f"{TAG}managed": "true", f"{TAG}run": run}),
        notes=tuple(notes),
    )


def _requests(database: Database, snapshot: str, tags: Mapping[str, str]) -> dict[str, Any]:
    now, name = database.described, database.id
    if database.kind == "instance":
        return requests.of_instance(now, snapshot=snapshot, name=name, tags=tags)
    return requests.of_cluster(now, database.members, snapshot=snapshot, name=name, tags=tags)
