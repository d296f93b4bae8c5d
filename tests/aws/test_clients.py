"""Who asks AWS, where, and what its errors mean to a person; none of them holds a secret."""

from pathlib import Path

import pytest
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from migsafe import aws, errors
from migsafe.aws import troubles
from migsafe.errors import ExitCode, UnreachableError
from tests.aws.cloud import ACCOUNT, KEY, REGION, Cloud

TOKEN = "canary-of-the-session-token"


def connected(
    region: str | None = None, profile: str | None = None, account: str | None = None
) -> aws.Cloud:
    return aws.connect(region=region, profile=profile, account=account)


def refusal(**wanted: str) -> str:
    """Return the line of a connection that must fail."""
    with pytest.raises(UnreachableError) as caught:
        connected(**wanted)
    assert caught.value.exit_code == ExitCode.UNREACHABLE
    line = str(caught.value)
    assert line.startswith("AWS: ")
    assert "\n" not in line
    assert KEY not in line
    return line


def test_who_asks_is_known_before_anything_else(cloud: Cloud) -> None:
    found = connected()

    assert (found.account, found.region, found.partition) == (ACCOUNT, REGION, "aws")
    assert str(found) == f"AWS account {ACCOUNT}, {REGION}, as arn:aws:sts::{ACCOUNT}:user/moto"
    assert [call.operation for call in cloud.calls] == ["GetCallerIdentity"]


def test_a_region_that_is_named_goes_before_the_environments(cloud: Cloud) -> None:
    cloud.instance("clinic", region="us-west-2")

    found = connected(region="us-west-2")

    assert found.region == "us-west-2"
    assert len(found.client("rds").describe_db_instances()["DBInstances"]) == 1
    assert found.within(REGION).client("rds").describe_db_instances()["DBInstances"] == []


def test_another_account_than_the_expected_one_is_refused_by_name(cloud: Cloud) -> None:
    line = refusal(account="210987654321")

    assert "of account 123456789012, not of 210987654321" in line
    assert connected(account=ACCOUNT).account == ACCOUNT


def test_a_profile_says_region_and_credentials(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    file = tmp_path / "config"
    file.write_text(
        "[profile clinic]\nregion = sa-east-1\naws_access_key_id = of-the-profile\n"
        f"aws_secret_access_key = {KEY}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))

    assert connected(profile="clinic").region == "sa-east-1"


def test_a_token_in_the_environment_is_said_not_to_renew_itself(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)

    found = connected()

    assert not found.renews
    assert str(found).endswith("with credentials that do not renew themselves")


def test_credentials_of_a_role_renew_themselves(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config"
    file.write_text(
        f"[default]\n[profile deploy]\nrole_arn = arn:aws:iam::{ACCOUNT}:role/deploy\n"
        "credential_source = Environment\nregion = eu-central-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))

    found = connected(profile="deploy")

    assert found.renews
    assert "assumed-role/deploy" in found.identity


def test_the_secrets_of_the_session_are_taken_out_of_every_text(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    connected()

    assert errors.redacted(f"{KEY} and {TOKEN}") == "*** and ***"


def test_missing_credentials_are_said_to_be_missing(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    assert "there are no AWS credentials; name a profile" in refusal()


def test_half_of_the_credentials_is_said_to_be_half(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    assert "the AWS credentials lack AWS_SECRET_ACCESS_KEY" in refusal()


def test_a_missing_region_is_said_to_be_missing(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    assert "no AWS region is known; write region = " in refusal()


def test_a_region_that_is_none_is_named(cloud: Cloud) -> None:
    assert "'eu central' is no AWS region" in refusal(region="eu central")


def test_a_profile_that_is_not_there_is_named(cloud: Cloud) -> None:
    assert "there is no AWS profile gone; check profile in migsafe.toml" in refusal(profile="gone")


def test_an_endpoint_that_nobody_listens_on_is_named(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    assert "127.0.0.1 cannot be reached; check the region, the network" in refusal()


def test_a_connection_that_drops_is_tried_ten_times(cloud: Cloud) -> None:
    cloud.lose("GetCallerIdentity", times=10)

    assert "127.0.0.1 gave no answer; run it again in some minutes" in refusal()
    assert len(cloud.calls) == 10


def test_nine_throttles_in_a_row_are_survived_and_ten_are_said(cloud: Cloud) -> None:
    cloud.fail("GetCallerIdentity", "Throttling", times=9)
    assert connected().account == ACCOUNT

    cloud.fail("GetCallerIdentity", "ThrottlingException", times=10)
    assert "still asks for fewer requests after ten attempts" in refusal()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ExpiredToken", "the AWS session has expired; log in again"),
        ("ExpiredTokenException", "the AWS session has expired; log in again"),
        ("InvalidClientTokenId", "AWS does not know these credentials; check AWS_ACCESS_KEY_ID"),
        ("UnrecognizedClientException", "AWS does not know these credentials"),
        ("SignatureDoesNotMatch", "AWS does not accept the signature; check AWS_SECRET_ACCESS_KEY"),
        ("OptInRequired", "this account has not enabled the region"),
        ("SomethingNew", "AWS refuses GetCallerIdentity with SomethingNew: planned SomethingNew;"),
    ],
)
def test_a_refusal_says_what_to_do(cloud: Cloud, code: str, said: str) -> None:
    cloud.fail("GetCallerIdentity", code, status=403)

    assert said in refusal()


def test_a_fault_of_aws_is_said_to_be_one(cloud: Cloud) -> None:
    cloud.fail("GetCallerIdentity", "Whatever", status=503, times=10)

    assert "AWS has a fault of its own" in refusal()


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        (
            "AccessDenied",
            "User: arn:aws:sts::123456789012:assumed-role/ci/x is not authorized to perform: "
            "rds:CreateDBSnapshot on resource: arn:aws:rds:eu-central-1:123456789012:db:clinic "
            "because no identity-based policy allows the rds:CreateDBSnapshot action",
            "this identity may not rds:CreateDBSnapshot on "
            "arn:aws:rds:eu-central-1:123456789012:db:clinic; allow rds:CreateDBSnapshot; "
            "`migsafe iam-policy COMMAND` prints all",
        ),
        (
            "UnauthorizedOperation",
            "You are not authorized to perform this operation. Encoded authorization failure "
            "message: " + "x" * 4000,
            "this identity may not GetCallerIdentity; allow GetCallerIdentity",
        ),
        ("AccessDeniedException", "", "this identity may not GetCallerIdentity;"),
    ],
)
def test_a_denial_names_the_action(cloud: Cloud, code: str, message: str, said: str) -> None:
    cloud.fail("GetCallerIdentity", code, status=403, message=message)

    assert said in refusal()


def test_a_wrong_signature_does_not_repeat_the_token(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "_conceal", lambda _session: None)
    message = f"The Canonical String should have been POST x-amz-security-token:{TOKEN}"
    cloud.fail("GetCallerIdentity", "SignatureDoesNotMatch", status=403, message=message)

    assert TOKEN not in refusal()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (exceptions.ConnectTimeoutError(endpoint_url="https://rds.x.test/"), "rds.x.test cannot"),
        (exceptions.ReadTimeoutError(endpoint_url="https://rds.x.test/"), "rds.x.test gave no"),
        (exceptions.SSLError(endpoint_url="https://rds.x.test/", error="x"), "AWS_CA_BUNDLE"),
        (exceptions.ProxyConnectionError(proxy_url=f"http://me:{TOKEN}@proxy"), "HTTPS_PROXY"),
        (
            exceptions.CredentialRetrievalError(provider="custom-process", error_msg=TOKEN),
            "no credentials came from custom-process",
        ),
        (exceptions.UnauthorizedSSOTokenError(), "aws sso login"),
        (exceptions.TokenRetrievalError(provider="sso", error_msg=TOKEN), "aws sso login"),
        (exceptions.RefreshWithMFAUnsupportedError(), "MFA device"),
        (exceptions.ConfigParseError(path="/dev/null"), "aws configure list"),
        (exceptions.UnknownEndpointError(service_name="rds", region_name="x"), "'x' is no AWS"),
        (exceptions.WaiterError(name="w", reason="r", last_response={}), "Waiter w failed: r"),
    ],
)
def test_what_prevents_a_call_is_told_without_what_it_holds(
    error: BotoCoreError, said: str
) -> None:
    with pytest.raises(UnreachableError, match=r"^RDS: ") as caught, aws.explained("RDS"):
        raise error
    assert said in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_what_answers_in_place_of_aws_is_not_taken_for_it(cloud: Cloud) -> None:
    from botocore.model import ShapeResolver
    from botocore.parsers import QueryParser

    shape = ShapeResolver({"A": {"type": "structure", "members": {}}}).get_shape_by_name("A")
    answer = {"body": b"<!doctype html><p>Sign in", "headers": {}, "status_code": 200}
    with pytest.raises(UnreachableError, match="what answered is not AWS"), aws.explained("RDS"):
        QueryParser().parse(answer, shape)


def test_a_request_that_does_not_fit_the_model_is_a_bug_of_ours(cloud: Cloud) -> None:
    client = connected().client("rds")

    with pytest.raises(ParamValidationError), aws.explained("RDS"):
        client.describe_db_instances(MaxRecords="many")


def test_a_long_text_of_aws_is_cut() -> None:
    error = ClientError({"Error": {"Code": "X", "Message": "y" * 5000}}, "Do")

    problem, _ = troubles.refusal(error)
    assert len(problem) < 350


def test_every_failure_names_exceptions_that_botocore_has() -> None:
    names = [name for kinds, _ in troubles._FAILURES for name in kinds]

    assert [name for name in names if not hasattr(exceptions, name)] == []
