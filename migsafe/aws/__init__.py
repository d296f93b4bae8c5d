"""One AWS account and region: its clients, who asks, and its errors in our words.

boto3 is imported when a client is wanted, never before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from migsafe import __version__
from migsafe.errors import UnreachableError, conceal

if TYPE_CHECKING:
    import boto3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """One account and region. `identity` is the ARN of who asks."""

    region: str
    account: str
    identity: str
    session: "boto3.Session" = field(repr=False, compare=False)

    def __str__(self) -> str:
        """Say where it is and who asks, for a person to see before anything is changed."""
        stale = "" if self.renews else ", with credentials that do not renew themselves"
        return f"AWS account {self.account}, {self.region}, as {self.identity}{stale}"

    @property
    def partition(self) -> str:
        """The first part of every ARN there: aws, aws-cn or aws-us-gov."""
        return self.identity.split(":")[1]

    @property
    def renews(self) -> bool:
        """Whether the credentials last as long as a run; a token in the environment does not."""
        from botocore.credentials import RefreshableCredentials

        found = self.session.get_credentials()
        return isinstance(found, RefreshableCredentials) or not found.token

    def expect(self, account: str | None) -> None:
        """Raise UnreachableError where it is another account than this one."""
        if account and self.account != account:
            raise UnreachableError(
                "AWS",
                f"{self.identity} is of account {self.account}, not of {account}",
                "choose the profile of that account",
            )

    def client(self, service: str) -> Any:
        """Return a client that retries as long as a deployment can wait."""
        with explained("AWS"):
            return _client(self.session, service, self.region)

    def within(self, region: str) -> "Cloud":
        """Return the same account, elsewhere."""
        return replace(self, region=region)


def connect(*, region: str | None, profile: str | None, account: str | None) -> Cloud:
    """Find out who asks; refuse where it is not `account`, the one that is expected.

    Without `region` it is the one of the profile or the environment.
    """
    import boto3
    from botocore.exceptions import NoRegionError

    with explained("AWS"):
        session = boto3.Session(profile_name=profile, region_name=region)
        if not session.region_name:
            raise NoRegionError
        _conceal(session)
        caller = _client(session, "sts", region).get_caller_identity()
    found = Cloud(
        region=session.region_name,
        account=caller["Account"],
        identity=caller["Arn"],
        session=session,
    )
    found.expect(account)
    return found


def client(service: str, *, region: str | None, profile: str | None) -> Any:
    """Return a client for what needs no account; nobody is asked yet."""
    import boto3

    with explained("AWS"):
        session = boto3.Session(profile_name=profile, region_name=region)
        _conceal(session)
        return _client(session, service, region)


def _conceal(session: "boto3.Session") -> None:
    """Take the session's own secrets out of every text from now on."""
    found = session.get_credentials()
    if found:
        frozen = found.get_frozen_credentials()
        conceal(frozen.secret_key)
        conceal(frozen.token)


def _client(session: "boto3.Session", service: str, region: str | None) -> Any:
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "total_max_attempts": 10},
        connect_timeout=5,
        read_timeout=60,
        user_agent_extra=f"migsafe/{__version__}",
    )
    return session.client(service, region_name=region, config=config)


@contextmanager
def explained(place: str) -> Iterator[None]:
    """Turn what botocore raises into UnreachableError, which says what to do.

    A request that does not fit the service's model is not turned into one: it is a bug of ours.
    """
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
    from botocore.parsers import ResponseParserError

    from migsafe.aws import troubles

    try:
        yield
    except ParamValidationError:
        raise
    except ClientError as error:
        raise UnreachableError(place, *troubles.refusal(error)) from None
    except (BotoCoreError, ResponseParserError) as error:
        raise UnreachableError(place, *troubles.failure(error)) from None
