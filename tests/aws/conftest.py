"""One server for AWS a session, one empty account a test."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.aws.cloud import Cloud

#: What would lead a client to another account, or elsewhere.
_FOREIGN = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE")


@pytest.fixture(scope="session")
def cloud_server() -> "Iterator[Cloud]":
    from tests.aws.cloud import started

    with started() as cloud:
        yield cloud


@pytest.fixture
def cloud(cloud_server: "Cloud", monkeypatch: pytest.MonkeyPatch) -> "Iterator[Cloud]":
    """Give an empty account, which botocore finds by the environment and asks without pauses."""
    cloud_server.reset()
    for name in _FOREIGN:
        monkeypatch.delenv(name, raising=False)
    for name, value in cloud_server.environment.items():
        monkeypatch.setenv(name, value)
    backoff = "botocore.retries.standard.ExponentialBackoff.delay_amount"
    monkeypatch.setattr(backoff, lambda *_: 0)
    yield cloud_server
    cloud_server.check()
