"""The least that a command has to be allowed in AWS, as an IAM policy. Pure: opens nothing.

Actions and the resources that each is checked against are those of the Service Authorization
Reference of AWS. sts:GetCallerIdentity needs no permission.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from migsafe.errors import UsageError, nearest

Statement = dict[str, Any]

#: What each command needs; `describe` finds out which database it is about.
COMMANDS: dict[str, tuple[str, ...]] = {
    "status": ("connect",),
    "lint": ("connect",),
    "audit": ("connect",),
    "plan": ("connect",),
    "apply": ("connect", "describe", "snapshot"),
    "baseline": ("connect",),
    "resolve": ("connect",),
    "verify": ("connect",),
    "gate": ("connect",),
    "history": ("connect",),
    "report": ("connect",),
    "grants": ("connect",),
    "snapshot create": ("connect", "describe", "snapshot"),
    "snapshot list": ("connect", "describe", "list"),
    "snapshot prune": ("connect", "describe", "list", "prune"),
    "restore": ("connect", "describe", "list", "restore"),
    "access sweep": ("access",),
}

#: A restore appends to an identifier, and shortens longer ones to make room for that.
_WHOLE, _SHORT = 35, 30


class Place(Struct, frozen=True, kw_only=True):
    """What the ARNs are made of. None stands for what is not known, nothing for what is not there.

    `keys` encrypt the volume, `secret_keys` what the stores keep; `logins` are
    ``RESOURCE_ID/USER``. Keys, roles and secrets may be whole ARNs.
    """

    partition: str = "aws"
    region: str = "REGION"
    account: str = "ACCOUNT"
    instances: Sequence[str] | None = None
    clusters: Sequence[str] | None = None
    proxies: Sequence[str] | None = None
    keys: Sequence[str] | None = None
    masters: Sequence[str] | None = None
    monitors: Sequence[str] | None = None
    roles: Sequence[str] | None = None
    secrets: Sequence[str] | None = None
    parameters: Sequence[str] | None = None
    secret_keys: Sequence[str] | None = None
    logins: Sequence[str] | None = None
    groups: Sequence[str] | None = None

    def arns(self, service: str, kind: str, names: Sequence[str] | None, unknown: str) -> list[str]:
        """Return the ARNs of these names; one with a placeholder where they are not known."""
        region = "" if service == "iam" else self.region
        start = f"arn:{self.partition}:{service}:{region}:{self.account}:{kind}"
        known = (unknown,) if names is None else names
        return [one if one.startswith("arn:") else f"{start}{one}" for one in known]

    def rds(self, kind: str, names: Sequence[str] | None, unknown: str) -> list[str]:
        """Return the ARNs of what RDS has."""
        return self.arns("rds", f"{kind}:", names, unknown)

    def via(self, *services: str) -> Statement:
        """Return the condition that a key is used for nothing but these services."""
        end = "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"
        names = [f"{service}.{self.region}.{end}" for service in services]
        return {"StringEquals": {"kms:ViaService": names}}


def commands(words: Sequence[str]) -> list[str]:
    """Read commands as they are typed; a group alone is all that it has."""
    found, rest = list[str](), list(words)
    while rest:
        word = rest.pop(0)
        if rest and f"{word} {rest[0]}" in COMMANDS:
            word = f"{word} {rest.pop(0)}"
        known = [one for one in COMMANDS if one == word or one.startswith(f"{word} ")]
        if not known:
            hint = nearest(word, COMMANDS) or f"those that ask AWS are {', '.join(COMMANDS)}"
            raise UsageError(word, "asks nothing of AWS, or is no command", hint)
        found += known
    return found


def needs(wanted: Sequence[str], *, copied: bool = True, opened: bool = False) -> list[str]:
    """Return the names of all policies that commands need, in order.

    `copied`: snapshots are those of RDS; `opened`: this machine is let in for a while.
    """
    found = {name for command in wanted for name in COMMANDS[command]}
    if not copied:
        found &= {"connect", "access"}
    if opened and "connect" in found:
        found |= {"describe", "access"}
    return [name for name in POLICIES if name in found]


def build(names: Sequence[str], place: Place) -> dict[str, Any]:
    """Build one policy of these; statements about nothing are left out."""
    every = [statement for name in names for statement in POLICIES[name](place)]
    return {"Version": "2012-10-17", "Statement": [one for one in every if one["Resource"]]}


def _allow(sid: str, actions: Sequence[str], resources: Sequence[str], **more: Any) -> Statement:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": list(resources),
        **more,
    }


def _describe(_place: Place) -> Iterator[Statement]:
    yield _allow(
        "Describe",
        [
            "rds:DescribeDBInstances",
            "rds:DescribeDBClusters",
            "rds:DescribeDBClusterEndpoints",
            "rds:DescribeDBProxies",
            "rds:DescribeDBProxyEndpoints",
            "rds:DescribeDBProxyTargets",
        ],
        ["*"],
    )


def _list(_place: Place) -> Iterator[Statement]:
    yield _allow(
        "ListSnapshots", ["rds:DescribeDBSnapshots", "rds:DescribeDBClusterSnapshots"], ["*"]
    )


def _snapshot(place: Place) -> Iterator[Statement]:
    """A snapshot is checked against the database and against its own name."""
    copies = place.rds("snapshot", ["migsafe-*"], "")
    clusters = place.rds("cluster-snapshot", ["migsafe-*"], "")
    yield _allow(
        "Surroundings",
        [
            "rds:DescribeDBSnapshots",
            "rds:DescribeDBClusterSnapshots",
            "rds:DescribeDBInstanceAutomatedBackups",
            "rds:DescribeAccountAttributes",
            "rds:DescribePendingMaintenanceActions",
            "rds:DescribeDBProxyTargetGroups",
            "rds:DescribeDBParameters",
            "rds:DescribeDBClusterParameters",
        ],
        ["*"],
    )
    if alone := _alone(place):
        yield _allow("SnapshotInstance", ["rds:CreateDBSnapshot"], [*alone, *copies])
    if together := place.rds("cluster", place.clusters, "CLUSTER_ID"):
        yield _allow("SnapshotCluster", ["rds:CreateDBClusterSnapshot"], [*together, *clusters])
    yield _allow(
        "TagOwnSnapshots",
        ["rds:AddTagsToResource"],
        [*(copies if alone else ()), *(clusters if together else ())],
        Condition={"ForAllValues:StringLike": {"aws:TagKeys": ["migsafe:*"]}},
    )


def _alone(place: Place) -> list[str]:
    """Return the ARN of a stand-alone instance; instances of a cluster have no snapshots."""
    return [] if place.clusters else place.rds("db", place.instances, "DB_ID")


def _prune(place: Place) -> Iterator[Statement]:
    tagged = {"StringEquals": {"aws:ResourceTag/migsafe:managed": "true"}}
    kinds = {
        "DeleteDBSnapshot": place.rds("snapshot", ["migsafe-*"], "") if _alone(place) else [],
        "DeleteDBClusterSnapshot": []
        if place.clusters == ()
        else place.rds("cluster-snapshot", ["migsafe-*"], ""),
    }
    for action, resources in kinds.items():
        yield _allow(action, [f"rds:{action}"], resources, Condition=tagged)


def _restore(place: Place) -> Iterator[Statement]:
    """A restore is checked against the groups that it names, too; a rename against both names."""
    yield _allow(
        "CheckRestore",
        [
            "rds:DescribeAccountAttributes",
            "rds:DescribeDBSubnetGroups",
            "rds:DescribeDBParameterGroups",
            "rds:DescribeDBClusterParameterGroups",
            "rds:DescribeOptionGroups",
            "ec2:DescribeSecurityGroups",
        ],
        ["*"],
    )
    yield from _copying(place)
    every = [*_named(place, "db", _databases(place)), *_named(place, "cluster", _clusters(place))]
    yield _allow("RenameAndChange", _modifying(place), [*every, *_groups(place)])
    tagging = ["rds:AddTagsToResource", "rds:RemoveTagsFromResource"]
    yield _allow("TagCopies", tagging, every)
    yield from _undoing(place)
    proxies = place.proxies is None or place.proxies
    yield _allow(
        "RetargetProxies",
        ["rds:DeregisterDBProxyTargets", "rds:RegisterDBProxyTargets"],
        ["*"] if proxies else [],
    )
    yield from _passing(place)
    yield from _keys(place)


def _copying(place: Place) -> Iterator[Statement]:
    if _alone(place):
        yield _allow(
            "RestoreInstance",
            ["rds:RestoreDBInstanceFromDBSnapshot"],
            [
                *_named(place, "db", place.instances or ["DB_ID"]),
                *place.rds("snapshot", ["migsafe-*"], ""),
                *_groups(place),
            ],
        )
    if clusters := _clusters(place):
        yield _allow(
            "RestoreCluster",
            ["rds:RestoreDBClusterFromSnapshot", "rds:CreateDBInstance"],
            [
                *_named(place, "cluster", clusters),
                *_named(place, "db", clusters),
                *place.rds("cluster-snapshot", ["migsafe-*"], ""),
                *_groups(place),
            ],
        )


def _undoing(place: Place) -> Iterator[Statement]:
    """Only copies have such a name; the database itself is never deleted."""
    copies = {
        "db": [f"{_short(one)}*-restore-*" for one in _databases(place)],
        "cluster": [f"{_short(one)}*-restore-*" for one in _clusters(place)],
    }
    yield _allow("DeleteUndone", ["rds:DeleteDBInstance"], place.rds("db", copies["db"], ""))
    clusters = place.rds("cluster", copies["cluster"], "")
    yield _allow("DeleteUndoneClusters", ["rds:DeleteDBCluster"], clusters)


def _passing(place: Place) -> Iterator[Statement]:
    """A role that is given to a database has to be allowed to be given."""
    monitoring = {"StringEquals": {"iam:PassedToService": "monitoring.rds.amazonaws.com"}}
    monitors = place.arns("iam", "role/", place.monitors, "MONITORING_ROLE")
    yield _allow("PassMonitoring", ["iam:PassRole"], monitors, Condition=monitoring)
    roles = place.arns("iam", "role/", place.roles, "ATTACHED_ROLE")
    databases = _named(place, "db", _databases(place)) if roles else []
    yield _allow("AttachRoles", ["rds:AddRoleToDBInstance"], databases)
    attaching = {"StringEquals": {"iam:PassedToService": "rds.amazonaws.com"}}
    yield _allow("PassRoles", ["iam:PassRole"], roles, Condition=attaching)


def _keys(place: Place) -> Iterator[Statement]:
    yield _allow(
        "VolumeKey",
        ["kms:DescribeKey", "kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKey"],
        place.arns("kms", "key/", place.keys, "KEY_ID"),
        Condition=place.via("rds", "secretsmanager"),
    )
    masters = place.arns("secretsmanager", "secret:", ["rds!*"], "")
    if place.masters is None or place.masters:
        yield _allow(
            "MasterSecret",
            [
                "secretsmanager:CreateSecret",
                "secretsmanager:TagResource",
                "secretsmanager:RotateSecret",
                "secretsmanager:GetSecretValue",
            ],
            masters,
        )


def _databases(place: Place) -> Sequence[str]:
    """Return the identifiers of all instances, those to come begin like their cluster."""
    known = ["DB_ID"] if place.instances is None else place.instances
    return [*known, *_clusters(place)]


def _clusters(place: Place) -> Sequence[str]:
    return ["CLUSTER_ID"] if place.clusters is None else place.clusters


def _modifying(place: Place) -> list[str]:
    return ["rds:ModifyDBInstance", *(["rds:ModifyDBCluster"] if _clusters(place) else ())]


def _groups(place: Place) -> list[str]:
    kinds = ["pg", "og", "subgrp", *(["cluster-pg"] if _clusters(place) else ())]
    return [arn for kind in kinds for arn in place.rds(kind, ["*"], "")]


def _named(place: Place, kind: str, names: Sequence[str]) -> list[str]:
    """Return ARNs of what has these names, and of what a restore calls its own."""
    return list(dict.fromkeys(place.rds(kind, [f"{_short(one)}*" for one in names], "")))


def _short(name: str) -> str:
    return name if len(name) <= _WHOLE else name[:_SHORT].rstrip("-")


def _access(place: Place) -> Iterator[Statement]:
    """A rule can be limited by its tags when it is made, not when it is revoked."""
    rules = place.arns("ec2", "security-group-rule/", ["*"], "")
    groups = place.arns("ec2", "security-group/", place.groups, "SG_ID")
    yield _allow("ReadRules", ["ec2:DescribeSecurityGroupRules"], ["*"])
    yield _allow(
        "WriteRules",
        ["ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"],
        groups,
    )
    yield _allow(
        "MakeRules",
        ["ec2:AuthorizeSecurityGroupIngress"],
        rules,
        Condition={"StringLike": {"aws:RequestTag/migsafe:run": "*"}},
    )
    yield _allow(
        "TagRules",
        ["ec2:CreateTags"],
        rules,
        Condition={"StringEquals": {"ec2:CreateAction": "AuthorizeSecurityGroupIngress"}},
    )


def _connect(place: Place) -> Iterator[Statement]:
    """The login; a secret that RDS manages says nothing of the host, which RDS is asked for."""
    if any("rds!" in one for one in place.secrets or ()):
        finding = ["rds:DescribeDBInstances", "rds:DescribeDBClusters"]
        yield _allow("FindDatabaseOfSecret", finding, ["*"])
    yield _allow(
        "ReadSecret",
        ["secretsmanager:GetSecretValue"],
        place.arns("secretsmanager", "secret:", place.secrets, "SECRET_NAME-??????"),
    )
    yield _allow(
        "ReadParameter",
        ["ssm:GetParameter"],
        place.arns("ssm", "parameter/", place.parameters, "PARAMETER_NAME"),
    )
    yield _allow(
        "DecryptSecret",
        ["kms:Decrypt"],
        place.arns("kms", "key/", place.secret_keys, "KEY_ID"),
        Condition=place.via("secretsmanager", "ssm"),
    )
    yield _allow(
        "SignIn",
        ["rds-db:connect"],
        place.arns("rds-db", "dbuser:", place.logins, "RESOURCE_ID/DB_USER"),
    )


#: The policies by name; a key of a command names some of them.
POLICIES: dict[str, Callable[[Place], Iterator[Statement]]] = {
    "connect": _connect,
    "describe": _describe,
    "list": _list,
    "snapshot": _snapshot,
    "prune": _prune,
    "restore": _restore,
    "access": _access,
}
