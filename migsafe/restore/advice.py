"""What AWS does not do, and what a person has to, with the real names in it. Pure but for looking.

Every line is said once the copy is there: it is the list of what breaks on the next day.
"""

from collections.abc import Iterator

from migsafe.restore.resources import Thing
from migsafe.restore.scene import Scene


def lines(scene: Scene, *, swapped: bool) -> list[str]:
    """Return what has to be done by hand."""
    new = scene.new()
    if new is None:
        return []
    found = [*_slow(scene), *_identity(scene, new), *_secret(scene, new)]
    return [*found, *(_swapped(scene, new) if swapped else ())]


def _slow(scene: Scene) -> Iterator[str]:
    if scene.source.get("Engine") != "aurora-postgresql":
        yield (
            "Blocks are loaded from S3 when they are first read: the first queries are many times "
            "slower. Read the hot tables before traffic comes (SELECT count(*), pg_prewarm)."
        )


def _identity(scene: Scene, new: Thing) -> Iterator[str]:
    was = scene.restoring.manifest.source["resource_id"]
    yield (
        f"The resource id is {new.resource_id}, not {was}: IAM policies that allow rds-db:connect "
        "name it, and so may backup plans, key grants and Performance Insights."
    )


def _secret(scene: Scene, new: Thing) -> Iterator[str]:
    old = (scene.source.get("MasterUserSecret") or {}).get("SecretArn")
    if not old:
        yield "Passwords inside the database are those of the time of the snapshot."
        return
    now = (new.described.get("MasterUserSecret") or {}).get("SecretArn")
    yield (
        f"The master user's secret is {now or 'not there yet'}, not {old}: repoint what reads it "
        "(task definitions, functions, proxies). Other passwords are those of the snapshot's time."
    )


def _swapped(scene: Scene, new: Thing) -> Iterator[str]:
    old = scene.old()
    if old is not None:
        yield (
            f"The old database is {old.id}, closed and kept: rescue from it what was written since "
            "the snapshot. Delete it yourself once nobody needs it; until then it costs as before."
        )
    yield from _code(scene, new, old)
    if scene.kind.noun == "cluster":
        yield (
            "Custom endpoints are not in a snapshot: create them again. With TLS, stop and start "
            "the cluster once, so that its certificate has the name."
        )


def _code(scene: Scene, new: Thing, old: Thing | None) -> Iterator[str]:
    """Say how infrastructure as code learns of it, before its next run replaces the database."""
    kind = "aws_db_instance" if scene.kind.noun == "instance" else "aws_rds_cluster"
    yield (
        f"Terraform, before the next apply: terraform state rm {kind}.NAME && "
        f"terraform import {kind}.NAME {new.id} (it is {new.resource_id} by now"
        f"{f', it was {old.resource_id}' if old else ''}); leave snapshot_identifier unset."
    )
    cloud = "AWS::RDS::DBInstance" if scene.kind.noun == "instance" else "AWS::RDS::DBCluster"
    yield (
        f"CloudFormation: set DeletionPolicy: Retain on the {cloud}, take it out of the stack, and "
        f"import {new.id} (create-change-set --change-set-type IMPORT)."
    )
