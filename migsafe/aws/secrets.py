"""The login of a database, from Secrets Manager, from the Parameter Store, or as a token of IAM.

What is fetched is concealed before anything else happens to it, and written nowhere.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from migsafe import aws
from migsafe.aws import explained
from migsafe.errors import UnreachableError, UsageError, conceal

#: How a reference to each store begins.
SCHEMES = ("aws-secret:", "aws-ssm:")

#: The resource of a secret's ARN, with the fields that ECS allows behind it.
_ARN = re.compile(
    r"(?P<id>arn:aws[\w-]*:secretsmanager:(?P<region>[^:]+):\d*:secret:[^:]+)"
    r"(?::(?P<key>[^:]*):(?P<stage>[^:]*):(?P<version>[^:]*))?"
)
_PARAMETER_ARN = re.compile(r"arn:aws[\w-]*:ssm:(?P<region>[^:]+):\d*:parameter/.+")


class Reference(Struct, frozen=True, kw_only=True):
    """Where a login is kept. `query` is laid over the URL that comes of it."""

    scheme: str
    id: str
    key: str = ""
    query: str = ""
    region: str | None = None
    stage: str = ""
    version: str = ""

    def __str__(self) -> str:
        """Return it as messages show it: no value, and nothing that leads to one but its name."""
        return f"{self.scheme}{self.id}"


class Caller(Struct, frozen=True, kw_only=True):
    """Whose credentials are used, and where, unless a reference says where."""

    region: str | None = None
    profile: str | None = None

    def client(self, service: str, region: str | None = None) -> Any:
        """Return a client that lasts as long as the process, and renews what it can."""
        return _client(service, region or self.region, self.profile)


@cache
def _client(service: str, region: str | None, profile: str | None) -> Any:
    return aws.client(service, region=region, profile=profile)


def parse(text: str) -> Reference:
    """Read ``aws-secret:NAME[?query][#key]``, ``aws-ssm:NAME…`` or the form of ECS."""
    scheme = next(one for one in SCHEMES if text.startswith(one))
    name, _, key = text.removeprefix(scheme).partition("#")
    name, _, query = name.partition("?")
    if not name:
        raise UsageError(scheme, "names nothing", f"write {scheme}NAME")
    if scheme == "aws-ssm:":
        found = _PARAMETER_ARN.fullmatch(name)
        region = found["region"] if found else None
        return Reference(scheme=scheme, id=name, key=key, query=query, region=region)
    found = _ARN.fullmatch(name)
    if not found:
        return Reference(scheme=scheme, id=name, key=key, query=query)
    return Reference(
        scheme=scheme,
        id=found["id"],
        key=key or found["key"] or "",
        query=query,
        region=found["region"],
        stage=found["stage"] or "",
        version=found["version"] or "",
    )


def url(reference: Reference, caller: Caller) -> str:
    """Fetch what is kept there, as a PostgreSQL URL with the login in it."""
    text, arn = _STORES[reference.scheme](reference, caller)
    conceal(text)
    found = _chosen(text, reference)
    if isinstance(found, str):
        return _extended(found, reference)
    if not found.get("host"):
        found = {**found, **_endpoint(arn, reference, caller)}
    return _extended(_composed(found, reference), reference)


# ---------------------------------------------------------------- the two stores


def _secret(reference: Reference, caller: Caller) -> tuple[str, str]:
    """Return the text of a secret and its ARN."""
    wanted = {"SecretId": reference.id}
    if reference.stage:
        wanted["VersionStage"] = reference.stage
    if reference.version:
        wanted["VersionId"] = reference.version
    with _refused(reference, "secretsmanager:GetSecretValue"):
        client = caller.client("secretsmanager", reference.region)
        answer = client.get_secret_value(**wanted)
    text = answer.get("SecretString")
    return text if text is not None else _decoded(answer, reference), answer["ARN"]


def _decoded(answer: Mapping[str, Any], reference: Reference) -> str:
    raw = answer.get("SecretBinary", b"")
    try:
        return str(raw.decode("utf-8"))
    except UnicodeDecodeError:
        conceal(base64.b64encode(raw).decode())
        raise UsageError(str(reference), "is binary", "keep a URL or JSON in it") from None


def _parameter(reference: Reference, caller: Caller) -> tuple[str, str]:
    """Return the value of a parameter and its ARN."""
    with _refused(reference, "ssm:GetParameter"):
        client = caller.client("ssm", reference.region)
        # Without decryption AWS gives the ciphertext of a SecureString, and no error.
        found = client.get_parameter(Name=reference.id, WithDecryption=True)["Parameter"]
    return found["Value"], found.get("ARN", "")


_STORES: Mapping[str, Callable[[Reference, Caller], tuple[str, str]]] = {
    "aws-secret:": _secret,
    "aws-ssm:": _parameter,
}

#: What a store's refusals mean; {action} is what the identity needs to be allowed.
_REFUSALS = {
    "ResourceNotFoundException": (
        "there is no such secret, or no such version of it, in this account and region",
        "check the name, the region and the account",
    ),
    "InvalidRequestException": (
        "the secret cannot be read: it is marked for deletion, or has no value yet",
        "restore it with aws secretsmanager restore-secret, or name another one",
    ),
    "DecryptionFailure": (
        "its key cannot decrypt it",
        "enable the key in KMS, and allow kms:Decrypt on it",
    ),
    "AccessDeniedException": (
        "this identity may not read it",
        "allow {action} on it, and kms:Decrypt on its key",
    ),
    "ParameterNotFound": (
        "there is no such parameter in this account and region",
        "check the name, which begins with / where it has levels, the region and the account",
    ),
    "ParameterVersionNotFound": ("the parameter has no such version", "check the version"),
    "InvalidKeyId": (
        "its key cannot decrypt it",
        "enable the key in KMS, and allow kms:Decrypt on it",
    ),
}


@contextmanager
def _refused(reference: Reference, action: str) -> Iterator[None]:
    """Say in our words why a store does not give what is kept there."""
    from botocore.exceptions import ClientError

    place = str(reference)
    with explained(place):
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code not in _REFUSALS:
                raise
            problem, remedy = _REFUSALS[code]
            raise UnreachableError(place, problem, remedy.format(action=action)) from None


# ---------------------------------------------------------------- what is kept there


def _chosen(text: str, reference: Reference) -> str | dict[str, Any]:
    """Return the URL, or the fields of a login, that a secret's text holds."""
    if not reference.key and _is_url(text):
        return text.strip()
    try:
        found = json.loads(text)
    except ValueError:
        problem = "is neither a PostgreSQL URL nor JSON"
        raise UsageError(str(reference), problem, "keep one of the two in it") from None
    if reference.key:
        found = _at(found, reference)
        if isinstance(found, str):
            conceal(found)
            return _chosen(found, Reference(scheme=reference.scheme, id=reference.id))
    if not isinstance(found, dict) or not (found.get("username") and found.get("password")):
        raise UsageError(
            str(reference),
            f"holds no username and password ({_keys(found)})",
            "say with #KEY where the URL is",
        )
    return found


def _is_url(text: str) -> bool:
    return text.strip().startswith(("postgres://", "postgresql://"))


def _at(found: Any, reference: Reference) -> Any:
    """Follow a key, or a JSON pointer (RFC 6901); raise UsageError that names the keys there."""
    key = reference.key
    parts = key.split("/")[1:] if key.startswith("/") else [key]
    for part in parts:
        name = part.replace("~1", "/").replace("~0", "~") if key.startswith("/") else part
        if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict) and name in found:
            found = found[name]
        else:
            place = f"{reference}#{key}"
            raise UsageError(place, f"there is no {name} ({_keys(found)})", "name one that is")
    return found


def _keys(found: Any) -> str:
    """Say which keys there are, never what is at them."""
    if not isinstance(found, dict):
        return "it is no JSON object"
    return f"its keys are {', '.join(found) or 'none'}"


def _endpoint(arn: str, reference: Reference, caller: Caller) -> dict[str, Any]:
    """Return engine, host, port and database of what RDS keeps this secret for."""
    with explained(str(reference)):
        client = caller.client("rds", reference.region)
        for cluster in _all(client, "describe_db_clusters", "DBClusters"):
            if _keeps(cluster, arn):
                name, place = cluster.get("DatabaseName"), (cluster["Endpoint"], cluster["Port"])
                return _place(cluster, *place, name)
        for one in _all(client, "describe_db_instances", "DBInstances"):
            if _keeps(one, arn):
                place = (one["Endpoint"]["Address"], one["Endpoint"]["Port"])
                return _place(one, *place, one.get("DBName"))
    raise UsageError(
        str(reference),
        "names no host, and is the master secret of no database in this account and region",
        "keep host, port and dbname in it, or check the region",
    )


def _all(client: Any, operation: str, key: str) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator(operation).paginate():
        yield from page[key]


def _keeps(described: Mapping[str, Any], arn: str) -> bool:
    """Tell whether this database has its login in that secret; one being made has no endpoint."""
    return (described.get("MasterUserSecret") or {}).get("SecretArn") == arn and bool(
        described.get("Endpoint")
    )


def _place(described: Mapping[str, Any], host: str, port: int, dbname: Any) -> dict[str, Any]:
    return {"engine": described["Engine"], "host": host, "port": port, "dbname": dbname}


def _composed(found: Mapping[str, Any], reference: Reference) -> str:
    """Build a URL from the fields of a login; the query may name the database."""
    engine = str(found.get("engine") or "postgres")
    if "postgres" not in engine:
        raise UsageError(str(reference), f"is a login of {engine}", "name one of PostgreSQL")
    dbname = found.get("dbname") or ""
    if not dbname and not re.search(r"(^|&)dbname=", reference.query):
        problem = "says no name of a database, nor does RDS"
        raise UsageError(str(reference), problem, f"write {reference}?dbname=NAME")
    login = ":".join(quote(str(found[name]), safe="") for name in ("username", "password"))
    conceal(str(found["password"]))
    place = f"{found['host']}:{found.get('port') or 5432}"
    return f"postgresql://{login}@{place}/{quote(str(dbname), safe='')}"


def _extended(base: str, reference: Reference) -> str:
    if not reference.query:
        return base
    return f"{base}{'&' if '?' in base else '?'}{reference.query}"


# ---------------------------------------------------------------- IAM


def token(caller: Caller, *, host: str, port: int, user: str, region: str) -> str:
    """Sign a token that opens connections for 15 minutes; asks nobody.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
    """
    with explained(f"rds-iam://{user}@{host}"):
        made: str = caller.client("rds", region).generate_db_auth_token(
            DBHostname=host, Port=port, DBUsername=user, Region=region
        )
    conceal(made)
    return made
