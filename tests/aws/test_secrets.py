"""Logins from AWS: fetched late, fetched again once when refused, and shown to nobody."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from migsafe import target
from migsafe.aws import secrets, tls
from migsafe.config import EnvConfig
from migsafe.errors import MigsafeError, UnreachableError, UsageError
from tests.aws import servers
from tests.aws.cloud import ACCOUNT, REGION, Cloud
from tests.cli.canaries import command_lines
from tests.cli.cluster import Cluster
from tests.cli.conftest import TWO, child, lay_out

HOST = f"clinic.aaaaaaaaaa.{REGION}.rds.amazonaws.com"
CANARY = "canary/p@ss:word%"


@pytest.fixture
def role(asking: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return a function that gives the role `clinic` a password; libpq finds its server here."""
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    monkeypatch.setenv("PGSSLMODE", "disable")  # the server of the tests has none
    with psycopg.connect(asking.url, hostaddr="127.0.0.1", autocommit=True) as admin:
        admin.execute("CREATE ROLE clinic LOGIN")

        def change(password: str) -> None:
            admin.execute(sql.SQL("ALTER ROLE clinic PASSWORD {}").format(sql.Literal(password)))

        change(CANARY)
        yield change
        admin.execute("DROP ROLE clinic")


@pytest.fixture
def keep(cloud: Cloud) -> Callable[..., str]:
    """Return a function that keeps a value as the secret `prod/db`, and gives its ARN."""

    def put(value: object, name: str = "prod/db") -> str:
        text = value if isinstance(value, str) else json.dumps(value)
        made = cloud.client("secretsmanager").create_secret(Name=name, SecretString=text)
        return str(made["ARN"])

    return put


def fields(port: int | str, **more: object) -> dict[str, object]:
    login = {"username": "clinic", "password": CANARY, "host": HOST, "port": port}
    return {"engine": "postgres", **login, "dbname": "postgres", **more}


def resolved(url: str, **env: Any) -> target.Target:
    return target.resolve(url, name="prod", root=Path(), env=EnvConfig(url=url, **env))


def user_of(where: target.Target) -> str:
    with target.connect(where) as conn:
        row = conn.execute("SELECT session_user").fetchone()
    assert row
    return str(row[0])


# ---------------------------------------------------------------- what a secret may look like


@pytest.mark.parametrize(
    ("value", "reference"),
    [
        (lambda port: fields(port), "aws-secret:prod/db"),
        (lambda port: fields(str(port)), "aws-secret:prod/db"),
        (lambda port: _url(port), "aws-secret:prod/db"),
        (lambda port: {"A": "x", "DATABASE_URL": _url(port)}, "aws-secret:prod/db#DATABASE_URL"),
        (lambda port: {"db": [{"a/b": _url(port)}]}, "aws-secret:prod/db#/db/0/a~1b"),
        (lambda port: {"login": fields(port)}, "aws-secret:prod/db#login"),
        (lambda port: {"login": json.dumps(fields(port))}, "aws-secret:prod/db#login"),
        (lambda port: fields(port, dbname=None), "aws-secret:prod/db?dbname=postgres"),
    ],
    ids=["rotation", "text port", "URL", "key", "pointer", "fields", "JSON in JSON", "query"],
)
def test_a_secret_leads_to_the_database_whatever_its_form(
    asking: Cluster,
    role: Callable[[str], None],
    keep: Callable[..., str],
    value: Callable[[int], object],
    reference: str,
) -> None:
    keep(value(asking.port))

    assert user_of(resolved(reference)) == "clinic"


def _url(port: int) -> str:
    return f"postgresql://clinic:canary%2Fp%40ss%3Aword%25@{HOST}:{port}/postgres"


def test_a_secret_of_bytes_is_read_as_text(
    asking: Cluster, role: Callable[[str], None], cloud: Cloud
) -> None:
    raw = _url(asking.port).encode()
    cloud.client("secretsmanager").create_secret(Name="prod/db", SecretBinary=raw)

    assert user_of(resolved("aws-secret:prod/db")) == "clinic"


@pytest.mark.parametrize("ending", ["", ":DATABASE_URL::", ":DATABASE_URL:AWSCURRENT:"])
def test_an_arn_is_read_with_the_fields_of_ecs_and_in_its_own_region(
    asking: Cluster, role: Callable[[str], None], cloud: Cloud, ending: str
) -> None:
    value = json.dumps({"DATABASE_URL": _url(asking.port)}) if ending else _url(asking.port)
    client = cloud.client("secretsmanager", "us-west-2")
    arn = client.create_secret(Name="prod/db", SecretString=value)["ARN"]

    assert user_of(resolved(f"aws-secret:{arn}{ending}", region=REGION)) == "clinic"


def test_the_version_that_ecs_names_is_the_one_that_is_read(
    asking: Cluster, role: Callable[[str], None], keep: Callable[..., str], cloud: Cloud
) -> None:
    arn = keep({"url": _url(asking.port)})
    cloud.client("secretsmanager").put_secret_value(SecretId=arn, SecretString='{"url": "old"}')

    assert user_of(resolved(f"aws-secret:{arn}:url:AWSPREVIOUS:")) == "clinic"


@pytest.mark.parametrize("kind", ["String", "SecureString"])
def test_a_parameter_is_read_decrypted(
    asking: Cluster, role: Callable[[str], None], cloud: Cloud, kind: str
) -> None:
    client = cloud.client("ssm")
    client.put_parameter(Name="/prod/db", Value=_url(asking.port), Type=kind)

    assert user_of(resolved("aws-ssm:/prod/db")) == "clinic"
    arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/prod/db"
    assert user_of(resolved(f"aws-ssm:{arn}")) == "clinic"


def managed(cloud: Cloud, described: dict[str, Any]) -> str:
    """Put our login into the secret that RDS keeps for a database, as RDS would; return its ARN."""
    arn: str = described["MasterUserSecret"]["SecretArn"]
    login = json.dumps({"username": "clinic", "password": CANARY})
    cloud.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=login)
    return arn


def test_the_master_secret_of_an_instance_finds_its_place_by_rds(
    asking: Cluster, role: Callable[[str], None], cloud: Cloud
) -> None:
    cloud.instance("other")
    made = cloud.instance(
        "clinic", port=asking.port, ManageMasterUserPassword=True, DBName="postgres"
    )
    arn = managed(cloud, made)

    where = resolved(f"aws-secret:{arn}")

    assert where.place == f"{made['Endpoint']['Address']}:{asking.port}/postgres"
    assert user_of(where) == "clinic"


def test_the_master_secret_of_a_cluster_finds_its_writer(
    asking: Cluster, role: Callable[[str], None], cloud: Cloud
) -> None:
    made = cloud.cluster(
        "clinic", port=asking.port, ManageMasterUserPassword=True, DatabaseName="postgres"
    )

    where = resolved(f"aws-secret:{managed(cloud, made)}")

    assert where.place == f"{made['Endpoint']}:{asking.port}/postgres"
    assert user_of(where) == "clinic"


# ---------------------------------------------------------------- what cannot be read


def refusal(reference: str, **env: Any) -> MigsafeError:
    with pytest.raises(MigsafeError) as caught:
        resolved(reference, **env)
    message = str(caught.value)
    assert "\n" not in message
    assert message.count("; ") >= 1
    assert "canary" not in message
    return caught.value


@pytest.mark.parametrize(
    ("value", "reference", "said"),
    [
        ({"A": CANARY, "B": CANARY}, "#C", "aws-secret:prod/db#C: there is no C (its keys are A"),
        ({"A": {"B": CANARY}}, "#/A/C", "there is no C (its keys are B)"),
        ({"A": CANARY}, "#/A/C", "there is no C (it is no JSON object)"),
        ({"A": CANARY}, "#A", "is neither a PostgreSQL URL nor JSON"),
        ({"A": CANARY}, "", "holds no username and password (its keys are A)"),
        ({}, "", "holds no username and password (its keys are none)"),
        (CANARY, "", "is neither a PostgreSQL URL nor JSON"),
        (fields(1, engine="mysql"), "", "is a login of mysql"),
        (fields(1, dbname=""), "", "write aws-secret:prod/db?dbname=NAME"),
        (fields(1, host=""), "", "is the master secret of no database"),
    ],
)
def test_a_secret_of_another_form_is_refused_by_what_it_lacks_and_never_by_a_value(
    keep: Callable[..., str], value: object, reference: str, said: str
) -> None:
    keep(value)

    error = refusal(f"aws-secret:prod/db{reference}")

    assert isinstance(error, UsageError)
    assert said in str(error)


def test_a_secret_of_bytes_that_are_no_text_is_refused(cloud: Cloud) -> None:
    cloud.client("secretsmanager").create_secret(Name="prod/db", SecretBinary=b"\xff\xfe")

    assert "is binary" in str(refusal("aws-secret:prod/db"))


def test_a_secret_that_is_not_there_is_told_from_one_that_is_being_deleted(
    keep: Callable[..., str], cloud: Cloud
) -> None:
    error = refusal("aws-secret:prod/db")
    assert isinstance(error, UnreachableError)
    assert "aws-secret:prod/db: there is no such secret" in str(error)

    keep(fields(1))
    cloud.client("secretsmanager").delete_secret(SecretId="prod/db")
    assert "marked for deletion" in str(refusal("aws-secret:prod/db"))


def test_a_parameter_that_is_not_there_is_refused(cloud: Cloud) -> None:
    assert "aws-ssm:/prod/db: there is no such parameter" in str(refusal("aws-ssm:/prod/db"))


@pytest.mark.parametrize(
    ("operation", "reference", "code", "said"),
    [
        ("GetSecretValue", "aws-secret:x", "DecryptionFailure", "allow kms:Decrypt"),
        ("GetSecretValue", "aws-secret:x", "AccessDeniedException", "secretsmanager:GetSecret"),
        ("GetParameter", "aws-ssm:/x", "AccessDeniedException", "allow ssm:GetParameter"),
        ("GetParameter", "aws-ssm:/x", "InvalidKeyId", "enable the key in KMS"),
    ],
)
def test_what_a_store_refuses_says_what_to_allow(
    cloud: Cloud, operation: str, reference: str, code: str, said: str
) -> None:
    cloud.fail(operation, code)

    error = refusal(reference)

    assert isinstance(error, UnreachableError)
    assert said in str(error)


# ---------------------------------------------------------------- a login that is refused


def test_a_password_that_was_rotated_is_fetched_again_once(
    asking: Cluster, role: Callable[[str], None], keep: Callable[..., str], cloud: Cloud
) -> None:
    keep(fields(asking.port))
    where = resolved("aws-secret:prod/db")
    role("the next one")
    rotated = json.dumps(fields(asking.port, password="the next one"))
    cloud.client("secretsmanager").put_secret_value(SecretId="prod/db", SecretString=rotated)

    assert user_of(where) == "clinic"
    assert user_of(where) == "clinic"
    assert len(cloud.called("GetSecretValue")) == 2


def test_a_wrong_password_is_fetched_again_once_and_then_told(
    asking: Cluster, role: Callable[[str], None], keep: Callable[..., str], cloud: Cloud
) -> None:
    keep(fields(asking.port))
    role("somebody changed it")
    tries = refused_logins(asking)

    with pytest.raises(UnreachableError, match="password authentication failed") as caught:
        target.connect(resolved("aws-secret:prod/db"))

    assert "canary" not in str(caught.value)
    assert len(cloud.called("GetSecretValue")) == 2
    assert refused_logins(asking) - tries == 1  # the same password again is refused again


def refused_logins(asking: Cluster) -> int:
    return (asking.data / "log").read_text("utf-8").count("password authentication failed")


def test_a_server_that_is_not_there_has_no_secret_fetched_again(
    role: Callable[[str], None], keep: Callable[..., str], cloud: Cloud
) -> None:
    keep(fields(1))

    with pytest.raises(UnreachableError):
        target.connect(resolved("aws-secret:prod/db"))

    assert len(cloud.called("GetSecretValue")) == 1


# ---------------------------------------------------------------- tokens of IAM


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Stop the clock that tokens are signed by; return a function that moves it on."""
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)

    def move(seconds: float) -> None:
        nonlocal now
        now += timedelta(seconds=seconds)

    def read(*, remove_tzinfo: bool = True) -> datetime:
        return now.replace(tzinfo=None) if remove_tzinfo else now

    monkeypatch.setattr("botocore.auth.get_current_datetime", read)
    return move


@pytest.fixture
def iam(
    asking: Cluster, tmp_path: Path, role: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Reference to a login by token, on a server with TLS whose certificate is beside the config.

    The role's password is whatever token the server is told to expect.
    """
    monkeypatch.delenv("PGSSLMODE")
    pem, key = servers.certificate(tmp_path, HOST)
    pem.rename(tmp_path / "global-bundle.pem")
    with servers.encrypted(asking.port, tmp_path / "global-bundle.pem", key) as port:
        yield f"rds-iam://clinic@{HOST}:{port}/postgres"


def expected(reference: str) -> str:
    port = int(reference.rpartition(":")[2].partition("/")[0])
    return secrets.token(secrets.Caller(), host=HOST, port=port, user="clinic", region=REGION)


def test_each_connection_has_a_token_of_its_own_over_verified_tls(
    cloud: Cloud,
    iam: str,
    tmp_path: Path,
    role: Callable[[str], None],
    clock: Callable[[float], None],
) -> None:
    where = target.resolve(iam, name="prod", root=tmp_path)
    seen = []
    for _ in "ab":
        clock(1000)  # a token lasts for 900
        seen.append(expected(iam))
        role(seen[-1])
        assert user_of(where) == "clinic"

    assert seen[0] != seen[1]
    assert where.params["sslmode"] == "verify-full"
    assert "X-Amz-Signature" not in repr(where)
    assert cloud.calls == []  # it is signed here; nobody is asked


def test_a_token_that_was_refused_is_signed_again_once(
    asking: Cluster, iam: str, tmp_path: Path, role: Callable[[str], None], cloud: Cloud
) -> None:
    role("no token at all")
    tries = refused_logins(asking)

    with pytest.raises(UnreachableError, match="authentication failed") as caught:
        target.connect(target.resolve(iam, name="prod", root=tmp_path))

    assert refused_logins(asking) - tries in (1, 2)  # in the same second it is the same token
    assert "X-Amz" not in str(caught.value)


def test_a_certificate_of_somebody_else_is_refused_before_the_token_is_sent(
    asking: Cluster, iam: str, tmp_path: Path, role: Callable[[str], None], cloud: Cloud
) -> None:
    (tmp_path / "other").mkdir()
    servers.certificate(tmp_path / "other", HOST)[0].rename(tmp_path / "other/global-bundle.pem")
    tries = refused_logins(asking)

    with pytest.raises(UnreachableError, match="certificate verify failed"):
        target.connect(target.resolve(iam, name="prod", root=tmp_path / "other"))

    assert refused_logins(asking) == tries


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (f"rds-iam://me:secret@{HOST}/d", "needs a user and no password"),
        (f"rds-iam://{HOST}/d", "needs a user and no password"),
        ("rds-iam://me@db.clinic.example/d", "give the endpoint that RDS shows"),
        (f"rds-iam://me@{HOST}/d?sslmode=prefer", "sslmode=prefer may send the token unencrypted"),
    ],
)
def test_what_a_token_cannot_be_for_is_refused(reference: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        target.resolve(reference, name="prod", root=Path())
    assert said in str(caught.value)


# ---------------------------------------------------------------- TLS


@pytest.mark.parametrize(
    ("said", "beside", "mode", "trusted"),
    [
        ({}, (), "prefer", None),
        ({}, ("global-bundle.pem",), "verify-full", "global-bundle.pem"),
        ({}, (f"{REGION}-bundle.pem",), "verify-full", f"{REGION}-bundle.pem"),
        ({}, ("us-east-1-bundle.pem",), "prefer", None),
        ({"sslmode": "require"}, ("global-bundle.pem",), "require", None),
        ({"sslmode": "verify-ca"}, ("global-bundle.pem",), "verify-ca", "global-bundle.pem"),
        ({"sslrootcert": "mine.pem"}, ("global-bundle.pem",), "verify-full", "mine.pem"),
    ],
)
def test_what_is_said_goes_over_what_is_found(
    tmp_path: Path, said: dict[str, str], beside: tuple[str, ...], mode: str, trusted: str | None
) -> None:
    for name in beside:
        (tmp_path / name).touch()

    found = tls.secured({"host": HOST, **said}, tmp_path)

    assert found["sslmode"] == mode
    assert Path(found.get("sslrootcert", "")).name == (trusted or "")


def test_the_environment_says_it_where_the_url_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", "theirs.pem")
    assert tls.secured({"host": HOST}, tmp_path)["sslrootcert"] == "theirs.pem"
    monkeypatch.setenv("PGSSLMODE", "require")
    assert tls.secured({"host": HOST}, tmp_path)["sslmode"] == "require"


def test_another_host_keeps_what_its_url_says(tmp_path: Path) -> None:
    (tmp_path / "global-bundle.pem").touch()
    assert tls.secured({"host": "db.example"}, tmp_path) == {"host": "db.example"}


# ---------------------------------------------------------------- what is seen of it


def test_no_password_of_a_secret_is_seen_anywhere(
    asking: Cluster,
    role: Callable[[str], None],
    keep: Callable[..., str],
    tmp_path: Path,
) -> None:
    lay_out(tmp_path, TWO)
    (tmp_path / "migsafe.toml").write_text(
        "[history]\npath = 'prisma'\n[env.prod]\nurl = 'aws-secret:prod/db#/nested/login'\n"
    )
    keep({"nested": {"login": fields(asking.port)}})
    with psycopg.connect(asking.url, hostaddr="127.0.0.1", autocommit=True) as admin:
        admin.execute("GRANT ALL ON DATABASE postgres TO clinic")
        admin.execute("GRANT ALL ON SCHEMA public TO clinic")
    try:
        shown = [played(tmp_path, "status", "--format", "json")]
        shown += [played(tmp_path, "apply", "--snapshot", "--yes")]
        role("somebody changed it")
        shown += [played(tmp_path, "status", code=3)]
    finally:
        with psycopg.connect(asking.url, hostaddr="127.0.0.1", autocommit=True) as admin:
            admin.execute("DROP OWNED BY clinic CASCADE")

    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    for text in (*shown, *kept):
        assert b"canary" not in text
    assert b"nobody checks that this is the server" in shown[0]
    assert shown[0].count(b"nobody checks") == 1


def played(cwd: Path, *arguments: str, code: int = 0) -> bytes:
    """Run migsafe as a process and return all it says, and the command lines it starts."""
    command = child(*arguments, "-e", "prod", "--debug", "-v")
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines: set[str] = set()
    while process.poll() is None:
        lines |= command_lines(process.pid)
        time.sleep(0.05)
    said, _ = process.communicate()
    assert process.returncode == code, said
    return said + "\n".join(lines).encode()


def test_a_token_is_seen_nowhere(
    asking: Cluster,
    iam: str,
    tmp_path: Path,
    role: Callable[[str], None],
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "canary-of-a-session")
    lay_out(tmp_path, TWO)
    toml = f"[history]\npath = 'prisma'\n[env.prod]\nurl = '{iam}'\n"
    (tmp_path / "migsafe.toml").write_text(toml)

    shown = played(tmp_path, "status", code=3)

    for text in (shown, *(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())):
        for canary in (b"canary", b"X-Amz-", b"Signature"):
            assert canary not in text
    assert b"password authentication failed" in shown
    assert os.environ["AWS_SESSION_TOKEN"].encode() not in shown
