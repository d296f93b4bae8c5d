"""What is looked at before a restore: refusals come before anything was made.

What the role may not ask is said, never guessed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from migsafe.aws import Cloud
from migsafe.errors import UnreachableError
from migsafe.restore import sessions
from migsafe.restore.resources import MADE, Thing, asked
from migsafe.restore.scene import Scene
from migsafe.snapshots import requests
from migsafe.snapshots.preflight import allowed

Described = Mapping[str, Any]


def check(cloud: Cloud, scene: Scene, *, swap: bool) -> list[str]:
    """Return what a person has to know; raise where the restore could not be done."""
    notes = [f"AWS account {cloud.account}, {cloud.region}, as {cloud.identity}."]
    scene.restoring.notify(notes[0])
    old = scene.old()
    if scene.new() is None:
        _refuse_snapshot(scene)
        _refuse_taken(scene, scene.beside)
        _refuse_groups(cloud, scene, notes)
        _refuse_full(scene, notes)
    if swap and scene.kind.named(scene.name) is not None:
        _refuse_aside(scene)
    notes += _of(scene, old)
    if swap and old is not None and old.usable:
        notes += _closing(scene, old)
    return notes


def _refuse_snapshot(scene: Scene) -> None:
    """Refuse a snapshot that is gone, or not complete."""
    name, cluster = scene.restoring.manifest.id, scene.kind.noun == "cluster"
    operation = "describe_db_cluster_snapshots" if cluster else "describe_db_snapshots"
    key = "DBClusterSnapshotIdentifier" if cluster else "DBSnapshotIdentifier"
    gone = ("DBSnapshotNotFound", "DBClusterSnapshotNotFoundFault")
    answer = asked(scene.rds, operation, *gone, **{key: name})
    found = (answer or {}).get("DBClusterSnapshots" if cluster else "DBSnapshots", [])
    if not found:
        raise UnreachableError(f"snapshot {name}", "is not there any more", "name another one")
    if found[0]["Status"] != "available":
        problem = f"is {found[0]['Status']}, not available"
        raise UnreachableError(f"snapshot {name}", problem, "wait for it, or name another one")


def _refuse_taken(scene: Scene, name: str) -> None:
    owner = scene.kind.named(name)
    if owner is not None and owner.tags.get(MADE) != scene.journal.record.id:
        remedy = "rename or delete that one, or wait for the restore that made it"
        raise UnreachableError(name, "the name is taken", remedy)


def _refuse_aside(scene: Scene) -> None:
    owner, old = scene.kind.named(scene.aside), scene.old()
    if owner is not None and (old is None or owner.resource_id != old.resource_id):
        raise UnreachableError(scene.aside, "the name is taken", "rename or delete that one")


def _refuse_groups(cloud: Cloud, scene: Scene, notes: list[str]) -> None:
    """Refuse where something is gone that the restore asks for by name."""
    built = scene.restoring.manifest.requests
    name = requests.RESTORE_INSTANCE if scene.kind.noun == "instance" else requests.RESTORE_CLUSTER
    for what, there in _wanted(cloud, scene, built[name]):
        found = allowed(there, f"whether {what} is there", notes)
        if found is False:
            raise UnreachableError(what, "is not there any more", "create it, then go on")


#: The key of a request, what it names, the call that describes it, and its parameter.
_GROUPS = (
    ("DBSubnetGroupName", "subnet group", "describe_db_subnet_groups", "DBSubnetGroupName"),
    (
        "DBParameterGroupName",
        "parameter group",
        "describe_db_parameter_groups",
        "DBParameterGroupName",
    ),
    (
        "DBClusterParameterGroupName",
        "cluster parameter group",
        "describe_db_cluster_parameter_groups",
        "DBClusterParameterGroupName",
    ),
    ("OptionGroupName", "option group", "describe_option_groups", "OptionGroupName"),
)


def _wanted(
    cloud: Cloud, scene: Scene, request: Described
) -> Iterator[tuple[str, Callable[[], bool]]]:
    for key, noun, operation, parameter in _GROUPS:
        name = request.get(key)
        if name and not name.startswith("default"):
            yield f"{noun} {name}", _asking(scene.rds, operation, {parameter: name})
    for group in request.get("VpcSecurityGroupIds", ()):
        ask = _asking(cloud.client("ec2"), "describe_security_groups", {"GroupIds": [group]})
        yield f"security group {group}", ask


def _asking(client: Any, operation: str, which: Mapping[str, Any]) -> Callable[[], bool]:
    from botocore.exceptions import ClientError

    def ask() -> bool:
        try:
            getattr(client, operation)(**which)
        except ClientError as error:
            if "NotFound" in error.response.get("Error", {}).get("Code", ""):
                return False
            raise
        return True

    return ask


def _refuse_full(scene: Scene, notes: list[str]) -> None:
    """Refuse where the account has no room for one more."""

    def ask() -> Sequence[Described]:
        answer: Sequence[Described] = scene.rds.describe_account_attributes()["AccountQuotas"]
        return answer

    wanted = {"DBInstances", "DBClusters"} if scene.kind.noun == "cluster" else {"DBInstances"}
    for quota in allowed(ask, "how many databases are allowed", notes) or ():
        if quota["AccountQuotaName"] in wanted and quota["Used"] >= quota["Max"]:
            problem = f"{quota['Used']} of {quota['Max']} are in use"
            remedy = "delete one that nobody needs, or ask AWS for more"
            raise UnreachableError(f"quota {quota['AccountQuotaName']}", problem, remedy)


def _of(scene: Scene, old: Thing | None) -> Iterator[str]:
    """Say what is special about who has the name now."""
    if old is None:
        yield f"Nobody is called {scene.name} now: the copy gets the name, and nothing is kept."
        return
    if old.resource_id != scene.restoring.manifest.source["resource_id"]:
        yield (
            f"{scene.name} is another {scene.kind.noun} by now ({old.resource_id}) than the one "
            "that the snapshot is of."
        )
    replicas = old.described.get("ReadReplicaDBInstanceIdentifiers") or old.described.get(
        "ReadReplicaIdentifiers"
    )
    if scene.restoring.manifest.source.get("proxies") is None:
        yield "Which proxies lead to it was not known: point them to the copy by hand."
    if replicas:
        yield f"Its read replicas go on following the old one: {', '.join(replicas)}."


def _closing(scene: Scene, old: Thing) -> list[str]:
    """Refuse where the database could not be closed; name what else is swapped along."""
    wanted = scene.restoring.manifest.database
    where = sessions.beside(scene.restoring.target).params["dbname"]
    with scene.session(old, dbname=where) as conn:
        found = {one.name: one for one in sessions.databases(conn)}
        for name in found:
            sessions.refuse_deployer(conn, name, scene.restoring.target.place)
    if wanted in found and not found[wanted].ours:
        problem = f"only its owner may close the database {wanted}"
        raise UnreachableError(old.id, problem, "give a URL whose role is a member of the owner")
    others = [name for name in found if name != wanted]
    left = [name for name, one in found.items() if not one.ours]
    return [
        *_some(others, "A restore takes back the whole server, also the databases"),
        *_some(left, "These are not closed, for this role may not; stop their services"),
    ]


def _some(names: Sequence[str], what: str) -> list[str]:
    return [f"{what}: {', '.join(names)}."] if names else []
