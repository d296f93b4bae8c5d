"""One server for AWS a session, one empty account a test."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Called

if TYPE_CHECKING:
    from tests.aws.cloud import Cloud
    from tests.aws.restores import Clinic, Clock, Pair
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


@pytest.fixture(scope="session")
def pair() -> "Iterator[Pair]":
    """Two servers: that of a database, and that of every copy of it."""
    from tests.aws import restores

    with restores.pair() as running:
        yield running


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> "Clock":
    """Give hours that pass at once."""
    from migsafe.snapshots import polling
    from tests.aws.restores import Clock

    made = Clock()
    monkeypatch.setattr(polling, "sleep", made.sleep)
    monkeypatch.setattr(polling, "clock", made.read)
    return made


@cache
def _session(**how: Any) -> Any:
    """Return one session for all tests: the models of a service are large files."""
    from boto3.session import Session

    return Session(**how)


@pytest.fixture
def clinic(
    cloud: "Cloud",
    pair: "Pair",
    clock: "Clock",
    workdir: Path,
    migsafe: Callable[..., Called],
    monkeypatch: pytest.MonkeyPatch,
) -> "Iterator[Clinic]":
    """An instance with a snapshot; what is restored from it has the other server behind it."""
    from tests.aws import restores

    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    monkeypatch.setattr("boto3.Session", _session)
    cloud.manners.instance_takes = 1
    described = restores.instance(cloud, pair)
    cloud.proxy("front", instance="clinic")
    found = restores.snapshot(cloud, described, pair, proxies=("front",))
    yield from restores.opened(cloud, pair, clock, workdir, migsafe, found, monkeypatch)
