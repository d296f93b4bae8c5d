"""Restores of RDS: who is who, what is looked at first, and in which order what is done.

The order keeps the database in service until the copy is verified (RDS User Guide, "Restoring to
a DB instance", and the AWS Database Blog on keeping an endpoint's name).
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from migsafe import aws, config
from migsafe.aws import Cloud
from migsafe.errors import UsageError
from migsafe.restore import Restoring, Step, Way, advice, preflight
from migsafe.restore.copying import Change, Restore, Roles, Verify, Wait
from migsafe.restore.resources import Instances, asked
from migsafe.restore.scene import NEW, OLD, Scene
from migsafe.restore.swapping import Check, Protect, Proxies, Quiesce, Rename
from migsafe.snapshots import requests


def way(restoring: Restoring) -> Way:
    """Return how the snapshot of an instance or a cluster is restored."""
    source = restoring.manifest.source
    if source["kind"] == "instance":
        return Alone(cloud := _cloud(restoring), scene(restoring, cloud))
    from migsafe.restore.clusters import Together

    return Together(cloud := _cloud(restoring), scene(restoring, cloud))


def _cloud(restoring: Restoring) -> Cloud:
    """Find the account of the snapshot; refuse another one, in which names are others'."""
    source, env = restoring.manifest.source, restoring.env
    if env.account and env.account != source["account"]:
        problem = f"the snapshot is in account {source['account']}, not {env.account}"
        raise UsageError("AWS", problem, "take another snapshot, or correct the account")
    cloud = aws.connect(region=source["region"], profile=env.profile, account=source["account"])
    restoring.notify(str(cloud))
    return cloud


def scene(restoring: Restoring, cloud: Cloud) -> Scene:
    """Return what all steps of one restore know."""
    from migsafe.restore.resources import Clusters

    source, rds = restoring.manifest.source, cloud.client("rds")
    return Scene(
        restoring=restoring,
        rds=rds,
        kind=Instances(rds) if source["kind"] == "instance" else Clusters(rds),
        name=source["id"],
        # A Multi-AZ DB cluster has a shorter name: AWS appends to it for its instances.
        limit=52 if source["kind"] == "multi-az-cluster" else 63,
        timeout=config.duration(restoring.env.snapshot_timeout, "snapshot_timeout"),
        secrets=lambda arn: _secret(cloud, arn),
    )


def _secret(cloud: Cloud, arn: str) -> Mapping[str, str]:
    import json

    answer = asked(cloud.client("secretsmanager"), "get_secret_value", SecretId=arn) or {}
    found: Mapping[str, str] = json.loads(answer["SecretString"])
    return found


@dataclass(frozen=True, slots=True)
class Alone:
    """Way: a stand-alone instance."""

    cloud: Cloud = field(repr=False)
    scene: Scene

    def check(self, *, swap: bool) -> Sequence[str]:
        """Refuse what AWS would refuse, and what could not be verified."""
        return preflight.check(self.cloud, self.scene, swap=swap)

    def names(self) -> tuple[str, str]:
        """Return what the copy is called beside, and the database once it is swapped out."""
        return self.scene.beside, self.scene.aside

    def claimed(self) -> AbstractContextManager[None]:
        """Tag the database meanwhile."""
        return self.scene.claimed()

    def beside(self) -> Sequence[Step]:
        """Restore, set the rest, verify."""
        return beside(self.scene, requests.RESTORE_INSTANCE, requests.MODIFY_INSTANCE)

    def swap(self) -> Sequence[Step]:
        """Close the database, rename both, check, put back what leads to the name."""
        old, new = renames(self.scene)
        return around(self.scene, [old, new])

    def by_hand(self, *, swapped: bool) -> Sequence[str]:
        """Return what a person has to do afterwards."""
        return advice.lines(self.scene, swapped=swapped)


def beside(scene: Scene, restore: str, modify: str, *between: Step) -> list[Step]:
    """Return the steps to a verified copy; `between` are those of a cluster's members."""
    manifest = scene.restoring.manifest
    asked_for = _named(scene, manifest.requests[restore])
    later = _later(scene, manifest.requests.get(modify, {}))
    return [
        Restore(scene, asked_for),
        Wait(scene),
        *between,
        Change(scene, later),
        Roles(scene, manifest.source["described"].get("AssociatedRoles", [])),
        Verify(scene),
    ]


def _named(scene: Scene, request: Mapping[str, Any]) -> dict[str, Any]:
    """Put the name of this restore into the request: that of the snapshot may be taken by now."""
    key = "DBInstanceIdentifier" if scene.kind.noun == "instance" else "DBClusterIdentifier"
    return {**request, key: scene.beside}


def _later(scene: Scene, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a change; a master secret that RDS keeps is made anew by one."""
    own = ("DBInstanceIdentifier", "DBClusterIdentifier", "ApplyImmediately")
    settings = {key: value for key, value in request.items() if key not in own}
    secret = scene.source.get("MasterUserSecret")
    if secret:
        settings["ManageMasterUserPassword"] = True
        if secret.get("KmsKeyId"):
            settings["MasterUserSecretKmsKeyId"] = secret["KmsKeyId"]
    return settings


def renames(scene: Scene) -> tuple[Rename, Rename]:
    """Return the two renames that give the name on; between them nobody has it."""
    old = Rename(
        scene,
        scene.kind,
        lambda: scene.recalled(OLD),
        scene.name,
        scene.aside,
        "rename the old one aside",
    )
    new = Rename(
        scene,
        scene.kind,
        lambda: scene.recalled(NEW),
        scene.beside,
        scene.name,
        "rename the copy to the name",
        serves=True,
    )
    return old, new


def around(scene: Scene, renamed: Sequence[Step]) -> list[Step]:
    """Return the steps of a swap around its renames."""
    proxies = [
        (proxy["DBProxyName"], group["TargetGroupName"])
        for proxy in scene.restoring.manifest.source.get("proxies") or ()
        for group in proxy.get("TargetGroups", ())
        if group.get("Targets")
    ]
    return [
        Quiesce(scene),
        Proxies(scene, proxies, False, "take the proxies off"),
        *renamed,
        Check(scene),
        Proxies(scene, proxies, True, "put the proxies back"),
        Protect(scene),
    ]
