"""One server for AWS a session, one empty account a test."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.aws.cloud import Cloud
    from tests.cli.cluster import Cluster

#: What would lead a client to another account, or elsewhere.
_FOREIGN = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE")


@pytest.fixture(scope="session")
def cloud_server() -> "Iterator[Cloud]":
    import botocore.loaders

    from tests.aws.cloud import started

    with started() as cloud, pytest.MonkeyPatch.context() as patch:
        # The models of the services take most of a session's time, unless they are read once.
        loader = botocore.loaders.create_loader()
        patch.setattr("botocore.session.create_loader", lambda *_: loader)
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


@pytest.fixture(scope="session")
def asking() -> "Iterator[Cluster]":
    """A PostgreSQL on a port of this machine that asks everybody for a password."""
    from tests.aws import servers

    with servers.asking() as cluster:
        yield cluster
