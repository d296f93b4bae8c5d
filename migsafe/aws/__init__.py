"""One AWS account and region: its clients, who asks, and its errors in our words.

boto3 is imported when a client is wanted, never before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from migsafe import __version__
from migsafe.errors import UnreachableError

if TYPE_CHECKING:
    import boto3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """One account and region. `identity` is the ARN of who asks."""

    region: str
    account: str
    identity: str
    session: "boto3.Session" = field(repr=False, compare=False)

    def client(self, service: str) -> Any:
        """Return a client that retries as long as a deployment can wait."""
        return _client(self.session, service, self.region)


def connect(*, region: str | None, profile: str | None, account: str | None) -> Cloud:
    """Find out who asks; refuse where it is not `account`, the one that is expected."""
    import boto3

    with explained("AWS"):
        session = boto3.Session(profile_name=profile, region_name=region)
        caller = _client(session, "sts", region).get_caller_identity()
    found = Cloud(
        region=session.region_name or "",
        account=caller["Account"],
        identity=caller["Arn"],
        session=session,
    )
    if account and found.account != account:
        raise UnreachableError(
            "AWS", f"this is account {found.account}, not {account}", "choose another profile"
        )
    return found


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
    """Turn what botocore raises into UnreachableError, which says what to do."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise UnreachableError(place, f"AWS refuses: {code}", "check it") from None
    except BotoCoreError as error:
        raise UnreachableError(place, str(error), "check the AWS configuration") from None
