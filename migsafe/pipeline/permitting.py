"""iam-policy: the least that commands have to be allowed in AWS, for the target as it is."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from migsafe import addresses, aws, target
from migsafe.aws import Cloud, doors, identify, policies, secrets
from migsafe.aws.identify import Database
from migsafe.aws.policies import Place
from migsafe.config import Settings
from migsafe.errors import UnreachableError, UsageError

Say = Callable[[str], None]

_SIGNED = "rds-iam:"

#: What stands for something that is not known.
_CAPITALS = re.compile(r"\b(?:REGION|ACCOUNT|[A-Z]+(?:_[A-Z]+)+)\b")


def permit(settings: Settings, words: Sequence[str], *, offline: bool, say: Say) -> str:
    """Return the policy as JSON, an empty string where AWS is not needed at all.

    What AWS cannot be asked about are words in capitals, and `say` is told why.
    """
    copied = settings.env.snapshot in (None, "rds")
    commands = policies.commands(words)
    names = policies.needs(commands, copied=copied, opened=settings.env.temporary_access)
    if not copied:
        say(f"no snapshots of RDS: snapshot is {settings.env.snapshot} for this target")
    known = Place() if offline else _found(settings, names, say)
    policy = policies.build(names, _with_login(settings, known))
    if not policy["Statement"]:
        say("these commands ask nothing of AWS")
        return ""
    text = json.dumps(policy, indent=2, ensure_ascii=False)
    if left := sorted(set(_CAPITALS.findall(text))):
        say(f"put in what is not known: {', '.join(left)}")
    return f"{text}\n"


def _found(settings: Settings, names: Sequence[str], say: Say) -> Place:
    """Ask AWS who and what there is; what it does not tell stays a word in capitals."""
    region = _region(settings)
    try:
        cloud = aws.connect(region=region, profile=settings.env.profile, account=None)
    except UnreachableError as error:
        say(str(error))
        return Place(region=region or "REGION")
    cloud.expect(settings.env.account)
    say(str(cloud))
    known = _keyed(settings, cloud, _in(cloud))
    if not {"describe", "access"} & set(names) and _scheme(settings) != _SIGNED:
        return known
    try:
        database = _database(settings, cloud)
    except UnreachableError as error:
        say(str(error))
        return known
    return _about(database, known, settings.env.security_group) if database else known


def _keyed(settings: Settings, cloud: Cloud, known: Place) -> Place:
    """Add the key that the login is encrypted with; AWS's own needs no permission."""
    scheme = _scheme(settings)
    if scheme not in secrets.SCHEMES:
        return known
    name = secrets.parse(addresses.followed(settings.url, settings.root)).id
    try:
        with aws.explained(name):
            key = _KEYS[scheme](cloud, name)
    except UnreachableError:
        return known
    return replace(known, secret_keys=() if not key or "alias/aws/" in key else (key,))


def _key_of_secret(cloud: Cloud, name: str) -> str | None:
    key: str | None = cloud.client("secretsmanager").describe_secret(SecretId=name).get("KmsKeyId")
    return key


def _key_of_parameter(cloud: Cloud, name: str) -> str | None:
    only = [{"Key": "Name", "Values": [name.rpartition(":parameter")[2]]}]
    found = cloud.client("ssm").describe_parameters(ParameterFilters=only)["Parameters"]
    return found[0].get("KeyId") if found else None


_KEYS = {"aws-secret:": _key_of_secret, "aws-ssm:": _key_of_parameter}


def _in(cloud: Cloud) -> Place:
    return Place(partition=cloud.partition, region=cloud.region, account=cloud.account)


def _database(settings: Settings, cloud: Cloud) -> Database | None:
    """Find the database, None where none is named; what the config names needs no host."""
    env = settings.env
    named = bool(env.db_instance or env.db_cluster)
    if not named and settings.url is None:
        return None
    host = "" if named else _host(settings)
    return identify.identify(cloud, host, db_instance=env.db_instance, db_cluster=env.db_cluster)


def _host(settings: Settings) -> str:
    where = target.resolve(settings.url, name=settings.name, root=settings.root, env=settings.env)
    return where.params.get("host", "")


def _region(settings: Settings) -> str | None:
    """Return the region of the host or of the reference, else the configured one."""
    if settings.url is None:
        return settings.env.region
    text = addresses.followed(settings.url, settings.root)
    if text.startswith(secrets.SCHEMES):
        return secrets.parse(text).region or settings.env.region
    return identify.region_of(urlsplit(text).hostname or "") or settings.env.region


def _about(database: Database, known: Place, group: str | None) -> Place:
    parts = (database.described, *database.members)
    alone = database.kind == "instance"
    members = tuple(one["DBInstanceIdentifier"] for one in database.members)
    return replace(
        known,
        region=database.region,
        instances=(database.id,) if alone else members,
        clusters=() if alone else (database.id,),
        proxies=tuple(database.proxies),
        keys=_values(parts, "KmsKeyId", "StorageEncrypted"),
        masters=_values([one.get("MasterUserSecret") or {} for one in parts], "SecretArn"),
        monitors=_values(parts, "MonitoringRoleArn"),
        roles=_values(
            [role for one in parts for role in one.get("AssociatedRoles", ())], "RoleArn"
        ),
        groups=_group(database, group),
        # A token for a proxy is checked against the proxy's own id, which starts with prx-.
        logins=None if database.via.startswith("proxy ") else (f"{database.resource_id}/",),
    )


def _values(
    parts: Sequence[Mapping[str, Any]], key: str, only: str | None = None
) -> tuple[str, ...]:
    """Return what the parts have under a key, each once; with `only`, of those that have that."""
    found = [part[key] for part in parts if part.get(key) and (only is None or part.get(only))]
    return tuple(dict.fromkeys(found))


def _group(database: Database, wanted: str | None) -> tuple[str, ...] | None:
    """Return the security group, None where it has to be chosen."""
    try:
        return (doors.group(database, wanted),)
    except UsageError:
        return None


# ---------------------------------------------------------------- the login


def _scheme(settings: Settings) -> str:
    """Return how a reference to a login begins, an empty string of a URL."""
    text = addresses.followed(settings.url, settings.root) if settings.url else ""
    return next((one for one in (*secrets.SCHEMES, _SIGNED) if text.startswith(one)), "")


def _with_login(settings: Settings, place: Place) -> Place:
    """Keep of the ways to log in the one that the URL takes; all of them where there is none."""
    if not settings.url:
        return place
    text, scheme = addresses.followed(settings.url, settings.root), _scheme(settings)
    name = secrets.parse(text).id if scheme in secrets.SCHEMES else ""
    user = urlsplit(text).username or "DB_USER"
    known = (place.logins or ("RESOURCE_ID/",))[0].partition("/")[0]
    return replace(
        place,
        secrets=(_secret(name),) if scheme == "aws-secret:" else (),
        parameters=(name.lstrip("/"),) if scheme == "aws-ssm:" else (),
        secret_keys=place.secret_keys if name else (),
        logins=(f"{known}/{user}",) if scheme == _SIGNED else (),
    )


def _secret(name: str) -> str:
    """Return a secret as ARNs name it: AWS appends six characters to its name."""
    whole = name.startswith("arn:") and re.search(r"-[A-Za-z0-9]{6}$", name)
    return name if whole else f"{name}-??????"
