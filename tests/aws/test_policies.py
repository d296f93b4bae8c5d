"""What a role has to be allowed: everything that a command asks, and nothing that none asks."""

import ast
import fnmatch
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from botocore.loaders import Loader

from migsafe import aws
from migsafe.aws import identify, policies
from migsafe.aws.policies import COMMANDS, POLICIES, Place
from migsafe.cli.commands import cli
from migsafe.errors import ExitCode, UnreachableError, UsageError
from migsafe.restore import resources
from tests.aws.cloud import ACCOUNT, REGION, Call, Cloud
from tests.aws.restores import Clinic
from tests.conftest import Called

ROOT = Path(__file__).parents[2]
HOST = f"clinic.aaaaaaaaaa.{REGION}.rds.amazonaws.com"
PAGE = (ROOT / "docs" / "howto" / "aws.md").read_text("utf-8")

Migsafe = Callable[..., Called]

#: What AWS checks although nobody calls it: rights that another call needs, or that are no call.
DEPENDENT = {
    "ec2:CreateTags",
    "iam:PassRole",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKey",
    "rds-db:connect",
    "secretsmanager:CreateSecret",
    "secretsmanager:RotateSecret",
    "secretsmanager:TagResource",
}

#: What iam-policy itself asks, for nothing but names; it does without.
OPTIONAL = {"secretsmanager:DescribeSecret", "ssm:DescribeParameters"}


def everything(place: Place | None = None) -> dict[str, Any]:
    return policies.build(list(POLICIES), place or Place())


def actions(policy: dict[str, Any]) -> set[str]:
    return {action for one in policy["Statement"] for action in one["Action"]}


def resources_of(policy: dict[str, Any]) -> set[str]:
    return {resource for one in policy["Statement"] for resource in one["Resource"]}


def asked_by_the_code() -> set[str]:
    """Return each operation of AWS whose method's name stands in the code, as IAM calls it."""
    known = {
        _method(operation): f"{service}:{operation}"
        for service in ("ec2", "secretsmanager", "ssm", "rds")  # names that two have are RDS's
        for operation in Loader().load_service_model(service, "service-2")["operations"]
    }
    folders = ("aws", "snapshots", "restore")
    files = [path for folder in folders for path in (ROOT / "migsafe" / folder).glob("*.py")]
    files.append(ROOT / "migsafe" / "pipeline" / "permitting.py")
    words = {word for path in files for word in _words(path)}
    words |= {f"{verb}_db_proxy_targets" for verb in ("register", "deregister")}  # made of both
    return {known[word] for word in words if word in known}


#: What AWS checks a call against: the kind of each name in it (Service Authorization Reference).
CHECKED = {
    "DBInstanceIdentifier": "db",
    "DBClusterIdentifier": "cluster",
    "DBSnapshotIdentifier": "snapshot",
    "DBClusterSnapshotIdentifier": "cluster-snapshot",
    "SnapshotIdentifier": "cluster-snapshot",
    "DBParameterGroupName": "pg",
    "DBClusterParameterGroupName": "cluster-pg",
    "DBSubnetGroupName": "subgrp",
}


def checked(call: Call) -> list[str]:
    """Return the ARNs that a call of RDS is checked against; ``*`` of one that only reads."""
    if call.operation.startswith("Describe") or "ProxyTargets" in call.operation:
        return ["*"]
    if "ResourceName" in call.params:
        return [call.params["ResourceName"]]
    start = f"arn:aws:rds:{REGION}:{ACCOUNT}"
    return [f"{start}:{CHECKED[key]}:{call.params[key]}" for key in CHECKED if key in call.params]


def _method(operation: str) -> str:
    from botocore import xform_name

    return str(xform_name(operation))


def _words(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


# ---------------------------------------------------------------- what is in them


def test_the_policies_allow_what_the_code_asks_and_nothing_else() -> None:
    allowed = actions(everything())

    assert asked_by_the_code() - allowed == OPTIONAL
    assert allowed - asked_by_the_code() == DEPENDENT


def test_every_action_stands_in_the_page() -> None:
    for action in actions(everything()):
        assert f"`{action}`" in PAGE, action


def test_the_page_says_which_command_needs_which_policies() -> None:
    rows = dict(re.findall(r"^\| `migsafe ([^|`]+)` \| ([\w, ]+) \|$", PAGE, re.M))

    assert {name: tuple(row.split(", ")) for name, row in rows.items()} == COMMANDS


def test_every_command_that_takes_a_target_is_known() -> None:
    taking = {name for name, command in _commands() if any(p.name == "url" for p in command.params)}

    assert set(COMMANDS) == taking - {"iam-policy"}


def _commands() -> Iterator[tuple[str, click.Command]]:
    """Yield each command by its whole name, those of groups too."""
    for name, command in cli.commands.items():
        inner = command.commands if isinstance(command, click.Group) else {}
        yield name, command
        yield from ((f"{name} {one}", below) for one, below in inner.items())


def test_a_secret_that_rds_manages_leads_to_its_host() -> None:
    place = Place(secrets=("arn:aws:secretsmanager:eu-central-1:1:secret:rds!db-1-AbCdEf",))

    allowed = actions(policies.build(["connect"], place))
    assert {"rds:DescribeDBInstances", "rds:DescribeDBClusters"} <= allowed


def test_a_policy_is_json_that_iam_takes() -> None:
    policy = everything()

    sids = [one["Sid"] for one in policy["Statement"]]
    assert policy["Version"] == "2012-10-17"
    assert len(set(sids)) == len(sids)
    assert all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids)
    assert all(re.fullmatch(r"[a-z0-9-]+:\w+", action) for action in actions(policy))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_policy_of_one_command_has_the_size_of_a_managed_one(command: str) -> None:
    policy = policies.build(policies.needs([command], opened=True), Place())

    assert len(json.dumps(policy, separators=(",", ":"))) < 6144


def test_nothing_that_writes_is_allowed_on_everything() -> None:
    for statement in everything()["Statement"]:
        if statement["Resource"] == ["*"]:
            reads = all(re.match(r"\w+:Describe", action) for action in statement["Action"])
            assert reads or statement["Sid"] == "RetargetProxies"


def test_what_is_shared_is_limited_by_tags_and_services() -> None:
    limits = {one["Sid"]: one.get("Condition") for one in everything()["Statement"]}
    managed = {"StringEquals": {"aws:ResourceTag/migsafe:managed": "true"}}

    assert limits["DeleteDBSnapshot"] == limits["DeleteDBClusterSnapshot"] == managed
    assert limits["TagOwnSnapshots"] == {"ForAllValues:StringLike": {"aws:TagKeys": ["migsafe:*"]}}
    assert limits["MakeRules"] == {"StringLike": {"aws:RequestTag/migsafe:run": "*"}}
    made = {"StringEquals": {"ec2:CreateAction": "AuthorizeSecurityGroupIngress"}}
    assert limits["TagRules"] == made
    for sid in ("PassMonitoring", "PassRoles"):
        assert "iam:PassedToService" in limits[sid]["StringEquals"]
    for sid in ("VolumeKey", "DecryptSecret"):
        assert "kms:ViaService" in limits[sid]["StringEquals"]


def test_a_database_itself_is_never_to_be_deleted() -> None:
    place = Place(instances=("clinic",), clusters=())
    deleting = [
        resource
        for one in everything(place)["Statement"]
        for resource in one["Resource"]
        if {"rds:DeleteDBInstance", "rds:DeleteDBCluster"} & set(one["Action"])
    ]
    arn = "arn:aws:rds:REGION:ACCOUNT:db:"

    assert deleting
    for kept in ("clinic", "clinic-failed-1a2b3c4d"):
        assert not any(fnmatch.fnmatchcase(arn + kept, one) for one in deleting)
    assert any(fnmatch.fnmatchcase(f"{arn}clinic-restore-1a2b3c4d", one) for one in deleting)


@pytest.mark.parametrize("length", [1, 10, 30, 34, 35, 36, 46, 47, 52, 63])
@pytest.mark.parametrize("limit", [52, 63])
def test_what_a_restore_names_is_covered_whatever_the_length(length: int, limit: int) -> None:
    name = ("an-identifier-" * 5)[: min(length, limit)].rstrip("-")
    place = Place(instances=(name,), clusters=())
    policy = policies.build(["restore"], place)

    for word in ("restore", "failed"):
        made = resources.fitted(name, word, "01K0000000000000ABCDEFGH", limit)
        arn = f"arn:aws:rds:REGION:ACCOUNT:db:{made}"
        for action in ("rds:RestoreDBInstanceFromDBSnapshot", "rds:ModifyDBInstance"):
            assert permits(policy, action, arn), made
        assert permits(policy, "rds:DeleteDBInstance", arn) == (word == "restore")


def permits(policy: dict[str, Any], action: str, arn: str) -> bool:
    """Tell whether a policy allows an action on a resource, its conditions apart."""
    return any(
        action in one["Action"] and any(fnmatch.fnmatchcase(arn, to) for to in one["Resource"])
        for one in policy["Statement"]
    )


def test_what_is_not_there_is_not_allowed() -> None:
    place = Place(
        instances=("clinic",),
        clusters=(),
        proxies=(),
        keys=(),
        masters=(),
        monitors=(),
        roles=(),
        secrets=(),
        parameters=(),
        secret_keys=(),
        logins=(),
        groups=(),
    )
    policy = everything(place)

    assert not {action for action in actions(policy) if "Cluster" in action} - {
        "rds:DescribeDBClusters",
        "rds:DescribeDBClusterEndpoints",
        "rds:DescribeDBClusterSnapshots",
        "rds:DescribeDBClusterParameters",
        "rds:DescribeDBClusterParameterGroups",
    }
    assert not {one.split(":")[0] for one in actions(policy)} & {"iam", "kms", "ssm", "rds-db"}
    assert "rds:RegisterDBProxyTargets" not in actions(policy)


def test_a_cluster_has_no_snapshots_of_instances() -> None:
    place = Place(instances=("clinic-one",), clusters=("clinic",))
    policy = policies.build(["snapshot", "prune", "restore"], place)

    allowed = actions(policy)
    assert {"rds:CreateDBClusterSnapshot", "rds:DeleteDBClusterSnapshot"} <= allowed
    assert not allowed & {"rds:CreateDBSnapshot", "rds:DeleteDBSnapshot"}
    assert permits(policy, "rds:ModifyDBInstance", "arn:aws:rds:REGION:ACCOUNT:db:clinic-one")


# ---------------------------------------------------------------- which of them


def test_a_group_stands_for_all_its_commands() -> None:
    assert policies.commands(["snapshot"]) == ["snapshot create", "snapshot list", "snapshot prune"]
    assert policies.commands(["apply", "snapshot", "prune", "access"]) == [
        "apply",
        "snapshot prune",
        "access sweep",
    ]


def test_a_word_that_is_no_command_is_refused() -> None:
    with pytest.raises(UsageError, match="asks nothing of AWS, or is no command; did you mean"):
        policies.commands(["applie"])


def test_temporary_access_needs_rules_wherever_the_database_is_connected_to() -> None:
    assert policies.needs(["status"]) == ["connect"]
    assert policies.needs(["status"], opened=True) == ["connect", "describe", "access"]
    assert policies.needs(["access sweep"], opened=True) == ["access"]


def test_snapshots_by_pg_dump_ask_nothing_of_aws() -> None:
    assert policies.needs(["apply", "restore"], copied=False) == ["connect"]


# ---------------------------------------------------------------- on the command line


@pytest.fixture
def configured(workdir: Path) -> Callable[..., None]:
    """Return a function that writes the config of one target."""

    def write(**keys: object) -> None:
        lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
        text = "\n".join(["[env.prod]", *lines])
        (workdir / "migsafe.toml").write_text(text, "utf-8")

    return write


def printed(called: Called) -> dict[str, Any]:
    assert called.code == ExitCode.OK, called.err
    policy: dict[str, Any] = json.loads(called.out)
    return policy


def test_the_arns_are_those_of_the_database(
    cloud: Cloud, migsafe: Migsafe, configured: Callable[..., None]
) -> None:
    made = cloud.instance("clinic")
    configured(url=f"rds-iam://deploy@{HOST}/app", snapshot="rds")

    called = migsafe("iam-policy", "apply")

    start = f"arn:aws:rds:{REGION}:{ACCOUNT}:"
    found = resources_of(printed(called))
    assert found == {
        "*",
        f"{start}db:clinic",
        f"{start}snapshot:migsafe-*",
        f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:{made['DbiResourceId']}/deploy",
    }
    assert f"AWS account {ACCOUNT}, {REGION}, as arn:aws:sts::" in called.err
    assert "put in" not in called.err


def test_the_arns_are_those_of_a_cluster_and_all_that_it_uses(
    cloud: Cloud, migsafe: Migsafe, configured: Callable[..., None]
) -> None:
    cloud.cluster("clinic", ManageMasterUserPassword=True)
    cloud.proxy("pool", cluster="clinic")
    secret = cloud.client("secretsmanager").create_secret(Name="prod/db", SecretString="{}")["ARN"]
    configured(url=f"aws-secret:{secret}", snapshot="rds", db_cluster="clinic")

    called = migsafe("iam-policy", "snapshot", "restore")

    found, allowed = resources_of(printed(called)), actions(printed(called))
    assert secret in found
    assert f"arn:aws:rds:{REGION}:{ACCOUNT}:cluster:clinic*" in found
    assert f"arn:aws:rds:{REGION}:{ACCOUNT}:db:clinic-two*" in found
    assert f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:rds!*" in found
    assert {"rds:RegisterDBProxyTargets", "rds:CreateDBClusterSnapshot"} <= allowed
    assert not allowed & {"rds:CreateDBSnapshot", "ssm:GetParameter", "rds-db:connect"}
    assert "put in" not in called.err


def test_the_security_group_is_that_of_the_database(
    cloud: Cloud, migsafe: Migsafe, configured: Callable[..., None]
) -> None:
    made = cloud.instance("clinic")
    configured(url=f"postgresql://deploy@{HOST}/app", temporary_access=True)

    group = made["VpcSecurityGroups"][0]["VpcSecurityGroupId"]
    called = migsafe("iam-policy", "status")
    arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{group}"
    assert arn in resources_of(printed(called))


def test_without_credentials_capitals_stand_for_what_is_not_known(
    cloud: Cloud,
    migsafe: Migsafe,
    configured: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    configured(url=f"rds-iam://deploy@{HOST}/app", snapshot="rds")

    called = migsafe("iam-policy", "apply")

    found = resources_of(printed(called))
    assert f"arn:aws:rds:{REGION}:ACCOUNT:db:DB_ID" in found
    assert f"arn:aws:rds-db:{REGION}:ACCOUNT:dbuser:RESOURCE_ID/deploy" in found
    assert "there are no AWS credentials" in called.err
    assert "put in what is not known: ACCOUNT, CLUSTER_ID, DB_ID, RESOURCE_ID" in called.err


def test_offline_nobody_is_asked(
    cloud: Cloud, migsafe: Migsafe, configured: Callable[..., None]
) -> None:
    configured(url="aws-ssm:/prod/db")

    called = migsafe("iam-policy", "status", "--offline")

    assert resources_of(printed(called)) == {
        "arn:aws:ssm:REGION:ACCOUNT:parameter/prod/db",
        "arn:aws:kms:REGION:ACCOUNT:key/KEY_ID",
    }
    assert cloud.calls == []


def test_the_key_of_a_secret_is_the_customers_or_needs_nothing(
    cloud: Cloud, migsafe: Migsafe, configured: Callable[..., None]
) -> None:
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    store = cloud.client("secretsmanager")
    store.create_secret(Name="own", SecretString="x", KmsKeyId=key)
    store.create_secret(Name="plain", SecretString="x")

    configured(url="aws-secret:own")
    assert key in resources_of(printed(migsafe("iam-policy", "status")))
    configured(url="aws-secret:plain")
    assert actions(printed(migsafe("iam-policy", "status"))) == {"secretsmanager:GetSecretValue"}


def test_what_the_role_may_not_ask_stays_in_capitals(
    cloud: Cloud, migsafe: Migsafe, configured: Callable[..., None]
) -> None:
    cloud.instance("clinic")
    cloud.fail("DescribeDBInstances", "AccessDenied", status=403)
    configured(url=f"postgresql://deploy@{HOST}/app", snapshot="rds")

    called = migsafe("iam-policy", "apply")

    assert f"arn:aws:rds:{REGION}:{ACCOUNT}:db:DB_ID" in resources_of(printed(called))
    assert "this identity may not DescribeDBInstances" in called.err


def test_a_command_that_needs_nothing_prints_nothing(
    cloud: Cloud, migsafe: Migsafe, configured: Callable[..., None]
) -> None:
    configured(url="postgresql://deploy@db.example.org/app", snapshot="pg_dump")

    called = migsafe("iam-policy", "apply")
    assert (called.code, called.out) == (ExitCode.OK, "")
    assert "these commands ask nothing of AWS" in called.err


def test_another_account_than_the_expected_one_is_refused(
    cloud: Cloud, migsafe: Migsafe, configured: Callable[..., None]
) -> None:
    configured(url=f"postgresql://deploy@{HOST}/app", account=ACCOUNT)

    called = migsafe("iam-policy", "status", "--expect-account", "210987654321")
    assert called.code == ExitCode.UNREACHABLE
    assert "not of 210987654321" in called.err
    called = migsafe("iam-policy", "status", "--expect-account", "21")
    assert called.code == ExitCode.USAGE


# ---------------------------------------------------------------- in force


@pytest.mark.parametrize("then", [("--swap", "--resume"), ("--undo",)])
def test_a_restore_calls_nothing_that_its_policy_does_not_allow(
    clinic: Clinic, migsafe: Migsafe, then: tuple[str, ...]
) -> None:
    policy = printed(migsafe("iam-policy", "restore"))
    clinic.cloud.calls.clear()

    for flags in (("--yes",), ("--yes", *then)):
        called = clinic.restore(*flags)
        assert called.code == ExitCode.OK, called

    known = Loader().load_service_model("rds", "service-2")["operations"]
    made = [call for call in clinic.cloud.calls if call.operation in known]
    assert {"RestoreDBInstanceFromDBSnapshot", "ModifyDBInstance"} <= {one[0] for one in made}
    for call in made:
        for arn in checked(call):
            assert permits(policy, f"rds:{call.operation}", arn), (call, arn)


@pytest.fixture
def limited(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], None]:
    """Return a function that makes a user with a policy the one who asks, and enforces it.

    moto evaluates RDS against ``*`` only, so every Resource becomes that.
    """
    from moto import settings
    from moto.core.authorization import ActionAuthenticatorMixin

    def enforce(policy: dict[str, Any]) -> None:
        wide = [{**one, "Resource": "*"} for one in policy["Statement"]]
        bare = [{k: v for k, v in one.items() if k != "Condition"} for one in wide]
        iam = cloud.client("iam")
        iam.create_user(UserName="deploy")
        iam.put_user_policy(
            UserName="deploy",
            PolicyName="deploy",
            PolicyDocument=json.dumps({**policy, "Statement": bare}),
        )
        key = iam.create_access_key(UserName="deploy")["AccessKey"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        monkeypatch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0.0)
        monkeypatch.setattr(ActionAuthenticatorMixin, "request_count", 0)

    return enforce


def test_a_database_is_found_with_what_is_allowed_and_not_with_less(
    cloud: Cloud, limited: Callable[[dict[str, Any]], None]
) -> None:
    cloud.instance("clinic")
    cloud.proxy("pool", instance="clinic")
    limited(policies.build(["describe"], Place()))

    connected = aws.connect(region=REGION, profile=None, account=ACCOUNT)

    assert connected.identity == f"arn:aws:iam::{ACCOUNT}:user/deploy"
    assert identify.identify(connected, HOST).id == "clinic"
    rds = connected.client("rds")
    denied = pytest.raises(UnreachableError, match="may not rds:CreateDBSnapshot")
    with denied, aws.explained("clinic"):
        rds.create_db_snapshot(DBInstanceIdentifier="clinic", DBSnapshotIdentifier="one")
