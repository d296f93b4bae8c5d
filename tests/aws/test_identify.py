"""Which database a host leads to, and which hosts nobody should migrate through."""

import copy
import socket
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from moto.rds.models import DBInstance

from migsafe import aws
from migsafe.aws import identify
from migsafe.aws.identify import Database
from migsafe.config import EnvConfig
from migsafe.errors import ExitCode, MigsafeError, UnreachableError, UsageError
from tests.aws.cloud import ACCOUNT, REGION, Cloud

ADDRESS = "clinic.aaaaaaaaaa.eu-central-1.rds.amazonaws.com"
WRITER = "clinic.cluster-aaaaaaaaaa.eu-central-1.rds.amazonaws.com"
READER = "clinic.cluster-ro-aaaaaaaaaa.eu-central-1.rds.amazonaws.com"
CUSTOM = "reports.cluster-custom-aaaaaaaaaa.eu-central-1.rds.amazonaws.com"
PROXY = "pool.proxy-aaaaaaaaaa.eu-central-1.rds.amazonaws.com"
PROXY_READER = "ro.endpoint.proxy-aaaaaaaaaa.eu-central-1.rds.amazonaws.com"

Resolve = Callable[[Mapping[str, tuple[list[str], str]]], None]


@pytest.fixture(autouse=True)
def _no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let DNS know nothing; a test says otherwise with `resolve`."""
    monkeypatch.setattr(socket, "gethostbyname_ex", _unknown)


def _unknown(host: str) -> Any:
    raise socket.gaierror(socket.EAI_NONAME, host)


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Return a function that says what DNS answers: the chain of names, and the address."""

    def plan(known: Mapping[str, tuple[list[str], str]]) -> None:
        def answer(host: str) -> tuple[str, list[str], list[str]]:
            if host not in known:
                _unknown(host)
            chain, address = known[host]
            names = [host, *chain]
            return names[-1], names[:-1], [address]

        monkeypatch.setattr(socket, "gethostbyname_ex", answer)

    return plan


def found(host: str, region: str | None = None, **named: str) -> Database:
    cloud = aws.connect(region=region, profile=None, account=None)
    return identify.identify(cloud, host, **named)


def refused(host: str, **named: str) -> str:
    """Return the line of a refusal, which names the host or the key that is wrong."""
    with pytest.raises(UsageError) as caught:
        found(host, **named)
    return str(caught.value)


# ---------------------------------------------------------------- instances


@pytest.mark.parametrize("host", [ADDRESS, ADDRESS.upper(), f"{ADDRESS}."])
def test_an_instance_is_found_by_its_endpoint_in_any_spelling(cloud: Cloud, host: str) -> None:
    made = cloud.instance("clinic", port=6000)

    database = found(host)

    assert database.kind == "instance"
    assert (database.id, database.resource_id) == ("clinic", made["DbiResourceId"])
    assert database.arn == f"arn:aws:rds:{REGION}:{ACCOUNT}:db:clinic"
    assert (database.account, database.region) == (ACCOUNT, REGION)
    assert (database.host, database.port, database.via) == (ADDRESS, 6000, "endpoint")
    assert database.described["DBInstanceClass"] == made["DBInstanceClass"]


def test_a_replica_is_refused_and_its_source_named(cloud: Cloud) -> None:
    cloud.instance("clinic")
    cloud.client("rds").create_db_instance_read_replica(
        DBInstanceIdentifier="copy", SourceDBInstanceIdentifier="clinic"
    )
    cloud.manners.finish(cloud.backend().databases["copy"])

    line = refused(ADDRESS.replace("clinic", "copy"))
    assert "is instance copy, a replica of clinic; take the endpoint of clinic" in line


def test_an_instance_without_an_endpoint_hides_nobody(cloud: Cloud) -> None:
    cloud.instance("clinic")
    cloud.instance("young")
    cloud.backend().databases["young"].status = "creating"

    assert found(ADDRESS).id == "clinic"
    with pytest.raises(UnreachableError, match="instance young: has no endpoint: its status is"):
        found("db.example.org", db_instance="young")


@pytest.mark.parametrize("engine", ["neptune", "docdb", "mysql"])
def test_what_is_no_postgresql_is_left_out(cloud: Cloud, engine: str) -> None:
    cloud.cluster("clinic", members=())
    cloud.instance("clinic")
    cloud.backend().clusters["clinic"].engine = engine
    cloud.backend().databases["clinic"].engine = engine

    assert "is no endpoint of a PostgreSQL" in refused(WRITER)
    assert "is no endpoint of a PostgreSQL" in refused(ADDRESS)
    assert "there is no such PostgreSQL" in refused(ADDRESS, db_cluster="clinic")


def test_the_last_of_many_pages_is_read_too(cloud: Cloud) -> None:
    cloud.instance("first")
    databases = cloud.backend().databases
    for number in range(100):
        databases[f"a{number}"] = copy.copy(databases["first"])
        databases[f"a{number}"].db_instance_identifier = f"a{number}"
    cloud.instance("clinic")
    cloud.calls.clear()

    assert found(ADDRESS).id == "clinic"
    assert len(cloud.called("DescribeDBInstances")) == 2


# ---------------------------------------------------------------- clusters


def test_an_aurora_cluster_is_found_by_its_writer_endpoint(cloud: Cloud) -> None:
    made = cloud.cluster("clinic", port=6000)

    database = found(WRITER)

    assert (database.kind, database.id) == ("aurora", "clinic")
    assert database.resource_id == made["DbClusterResourceId"]
    assert database.arn == f"arn:aws:rds:{REGION}:{ACCOUNT}:cluster:clinic"
    assert (database.host, database.port) == (WRITER, 6000)
    names = [one["DBInstanceIdentifier"] for one in database.members]
    assert names == ["clinic-one", "clinic-two"]


def test_a_multi_az_cluster_is_none_of_aurora(cloud: Cloud) -> None:
    cloud.cluster("clinic", Engine="postgres", DBClusterInstanceClass="db.m6gd.large")

    database = found(WRITER)
    assert (database.kind, len(database.members)) == ("multi-az-cluster", 3)


def test_a_multi_az_instance_is_an_instance(cloud: Cloud) -> None:
    cloud.instance("clinic", MultiAZ=True)

    assert found(ADDRESS).kind == "instance"


def test_the_writer_of_a_cluster_stands_for_the_cluster(cloud: Cloud) -> None:
    cloud.cluster("clinic")

    database = found(ADDRESS.replace("clinic", "clinic-one"))
    assert (database.kind, database.id, database.via) == ("aurora", "clinic", "writer clinic-one")
    assert database.host == WRITER


def test_a_reader_of_a_cluster_is_refused_and_the_writer_named(cloud: Cloud) -> None:
    cloud.cluster("clinic")

    line = refused(ADDRESS.replace("clinic", "clinic-two"))
    assert (
        f"is clinic-two, a reader of cluster clinic; take the endpoint that writes, {WRITER}"
        in line
    )


def test_the_reader_endpoint_is_refused_although_it_may_reach_the_writer(cloud: Cloud) -> None:
    cloud.cluster("clinic", members=["one"])

    assert f"is the reader endpoint of cluster clinic; take the endpoint that writes, {WRITER}" in (
        refused(READER)
    )


@pytest.mark.parametrize("kind", ["ANY", "READER"])
def test_a_custom_endpoint_that_may_be_a_reader_is_refused(cloud: Cloud, kind: str) -> None:
    custom(cloud, kind)

    line = refused(CUSTOM)
    assert f"is a custom endpoint of cluster clinic of type {kind}, which may be a reader" in line
    assert WRITER in line


def test_a_custom_endpoint_of_the_writer_leads_to_its_cluster(cloud: Cloud) -> None:
    custom(cloud, "WRITER")

    database = found(CUSTOM)
    assert (database.id, database.via) == ("clinic", "custom endpoint reports")


def test_a_custom_endpoint_that_aws_does_not_describe_is_refused(cloud: Cloud) -> None:
    custom(cloud, "WRITER")
    cloud.manners.cluster_endpoints.clear()

    assert "of type unknown" in refused(CUSTOM)


def custom(cloud: Cloud, kind: str) -> None:
    """Make a cluster with a custom endpoint, whose name says nothing of the cluster's."""
    cloud.cluster("clinic")
    cloud.backend().clusters["clinic"].custom_endpoints = [CUSTOM]  # type: ignore[attr-defined]
    cloud.manners.cluster_endpoints.append(
        {
            "DBClusterEndpointIdentifier": "reports",
            "DBClusterIdentifier": "clinic",
            "Endpoint": CUSTOM,
            "EndpointType": "CUSTOM",
            "CustomEndpointType": kind,
        }
    )


def test_a_cluster_without_a_writer_is_refused(cloud: Cloud) -> None:
    cloud.cluster("clinic")
    for member in cloud.backend().clusters["clinic"].members:
        member.is_cluster_writer = False
    cloud.backend().clusters["clinic"].designate_writer = lambda: None  # type: ignore[method-assign]

    assert "is cluster clinic, which has no writer here; take the primary" in refused(WRITER)


def test_a_replica_cluster_is_refused(cloud: Cloud) -> None:
    cloud.cluster("clinic")
    cloud.backend().clusters["clinic"].replication_source_identifier = "arn:aws:rds:x:1:cluster:up"

    assert "a replica of arn:aws:rds:x:1:cluster:up" in refused(WRITER)


# ---------------------------------------------------------------- proxies


def test_a_proxy_leads_to_its_instance(cloud: Cloud) -> None:
    cloud.instance("clinic", port=6000)
    cloud.proxy("pool", instance="clinic")
    cloud.proxy("other")

    database = found(PROXY)
    assert (database.id, database.via, database.proxies) == ("clinic", "proxy pool", ["pool"])
    assert (database.host, database.port) == (ADDRESS, 6000)


def test_a_proxy_leads_to_its_cluster_and_not_to_a_member(cloud: Cloud) -> None:
    cloud.cluster("clinic")
    cloud.proxy("pool", cluster="clinic")

    assert (found(PROXY).kind, found(PROXY).id) == ("aurora", "clinic")
    assert found(WRITER).proxies == ["pool"]


def test_a_read_only_endpoint_of_a_proxy_is_refused(cloud: Cloud) -> None:
    cloud.cluster("clinic")
    cloud.proxy("pool", cluster="clinic")
    more = {"DBProxyName": "pool", "Endpoint": PROXY_READER, "TargetRole": "READ_ONLY"}
    cloud.manners.proxy_endpoints.append(more)

    assert "is a read-only endpoint of proxy pool" in refused(PROXY_READER)
    more["TargetRole"] = "READ_WRITE"
    assert found(PROXY_READER).id == "clinic"


def test_a_proxy_without_a_target_is_refused(cloud: Cloud) -> None:
    cloud.proxy("pool")

    assert "is proxy pool to nowhere; give it a target" in refused(PROXY)


def test_a_proxy_whose_target_has_gone_is_refused(cloud: Cloud) -> None:
    cloud.instance("clinic")
    cloud.proxy("pool", instance="clinic")
    cloud.backend().databases.pop("clinic")

    assert "is proxy pool, whose target clinic is not there" in refused(PROXY)


def test_a_proxy_that_does_not_reach_its_target_is_refused(cloud: Cloud) -> None:
    cloud.instance("clinic")
    cloud.proxy("pool", instance="clinic")
    cloud.manners.unhealthy.append("clinic")

    assert "is proxy pool, which does not reach instance clinic" in refused(PROXY)


def test_a_proxy_to_a_replica_is_refused(cloud: Cloud) -> None:
    cloud.instance("clinic")
    cloud.client("rds").create_db_instance_read_replica(
        DBInstanceIdentifier="copy", SourceDBInstanceIdentifier="clinic"
    )
    cloud.manners.finish(cloud.backend().databases["copy"])
    cloud.proxy("pool", instance="copy")

    assert "is instance copy, a replica of clinic" in refused(PROXY)


# ---------------------------------------------------------------- other names


def test_an_alias_is_followed_through_every_name_of_its_chain(
    cloud: Cloud, resolve: Resolve
) -> None:
    cloud.instance("clinic")
    resolve(
        {"db.example.org": (["pg.example.org", f"{ADDRESS}.", "ec2-1.amazonaws.com"], "1.2.3.4")}
    )

    assert found("DB.example.org.").id == "clinic"


def test_an_address_is_only_a_hint(cloud: Cloud, resolve: Resolve) -> None:
    cloud.instance("clinic")
    cloud.instance("other")
    resolve({"db.example.org": ([], "10.0.0.7"), ADDRESS: ([], "10.0.0.7")})

    line = refused("db.example.org")
    assert "but has the address of instance clinic; write db_instance =" in line


@pytest.mark.parametrize("host", ["10.0.0.7", "localhost", "/var/run/postgresql", "a,b", ""])
def test_what_is_no_endpoint_is_refused_with_what_to_write(cloud: Cloud, host: str) -> None:
    cloud.instance("clinic")

    line = refused(host)
    assert f"is no endpoint of a PostgreSQL in account {ACCOUNT}, {REGION}" in line
    assert 'write db_instance = "…" or db_cluster = "…"' in line


def test_a_host_of_another_region_is_not_looked_for_here(cloud: Cloud) -> None:
    cloud.instance("clinic", region="us-west-2")
    host = ADDRESS.replace(REGION, "us-west-2")

    assert 'is in us-west-2, and AWS is asked in eu-central-1; write region = "us-west-2"' in (
        refused(host)
    )
    assert found(host, region="us-west-2").region == "us-west-2"


def test_the_region_is_that_of_the_host_and_not_of_the_session(
    cloud: Cloud, resolve: Resolve
) -> None:
    cloud.instance("clinic", region="us-west-2")
    host = ADDRESS.replace(REGION, "us-west-2")
    resolve({"db.example.org": ([host], "1.2.3.4")})

    for name in (host, "db.example.org"):
        reached, database = identify.reach(name, EnvConfig(url="x", region="eu-west-1"))
        assert (reached.region, database.id, database.region) == (
            "us-west-2",
            "clinic",
            "us-west-2",
        )


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (ADDRESS, "eu-central-1"),
        (WRITER, "eu-central-1"),
        (PROXY_READER, "eu-central-1"),
        ("a.b.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1"),
        ("a.b.rds.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("A.cluster-b.RDS.cn-northwest-1.amazonaws.com.cn.", "cn-northwest-1"),
        ("a.b.eu-central-1.rds.amazonaws.com.example.org", None),
        ("rds.eu-central-1.amazonaws.com", None),
        ("db.example.org", None),
    ],
)
def test_the_region_is_read_out_of_every_kind_of_endpoint(host: str, region: str | None) -> None:
    assert identify.region_of(host) == region


def test_a_host_in_china_is_found(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    host = "clinic.aaaaaaaaaa.rds.cn-north-1.amazonaws.com.cn"
    monkeypatch.setattr(DBInstance, "address", host)
    cloud.instance("clinic", region="cn-north-1")

    _, database = identify.reach(host, EnvConfig(url="x"))
    assert (database.id, database.region, database.host) == ("clinic", "cn-north-1", host)
    assert database.arn.startswith("arn:aws-cn:rds:cn-north-1:")


# ---------------------------------------------------------------- the configuration


@pytest.mark.parametrize("host", ["10.0.0.7", "", "db.example.org"])
def test_the_configuration_says_what_no_name_says(cloud: Cloud, host: str) -> None:
    cloud.instance("clinic")
    cloud.cluster("ehr")

    assert found(host, db_instance="Clinic").id == "clinic"
    assert (found(host, db_cluster="ehr").id, found(host, db_cluster="ehr").kind) == (
        "ehr",
        "aurora",
    )
    assert found(host, db_instance="ehr-two").id == "ehr"
    assert found(host, db_instance="clinic").via == "name in the configuration"


def test_the_configuration_goes_before_what_a_name_may_mean(cloud: Cloud) -> None:
    custom(cloud, "ANY")

    assert found(CUSTOM, db_cluster="clinic").id == "clinic"
    assert found(READER, db_cluster="clinic").via == "name in the configuration"


def test_a_configuration_that_names_another_database_is_refused(cloud: Cloud) -> None:
    cloud.instance("clinic")
    cloud.instance("other")

    line = refused(ADDRESS, db_instance="other")
    assert "is instance clinic, and the configuration names instance other" in line


def test_what_the_configuration_names_has_to_be_there(cloud: Cloud) -> None:
    cloud.instance("clinic")

    line = refused("10.0.0.7", db_instance="clinik")
    assert line.startswith('db_instance = "clinik": there is no such PostgreSQL in account')
    assert line.endswith("did you mean clinic?")


def test_a_replica_that_the_configuration_names_is_refused(cloud: Cloud) -> None:
    cloud.instance("clinic")
    cloud.backend().databases["clinic"].source_db_instance_identifier = "up"

    assert "a replica of up" in refused("10.0.0.7", db_instance="clinic")


# ---------------------------------------------------------------- what may go wrong


def test_what_the_role_may_not_ask_is_named(cloud: Cloud) -> None:
    message = "User: x is not authorized to perform: rds:DescribeDBProxies because no policy"
    cloud.fail("DescribeDBProxies", "AccessDenied", status=403, message=message)

    with pytest.raises(MigsafeError) as caught:
        found(ADDRESS)
    assert caught.value.exit_code == ExitCode.UNREACHABLE
    assert str(caught.value).startswith(f"{ADDRESS}: asking AWS what it is: this identity may not")
    assert "rds:DescribeDBProxies" in str(caught.value)


def test_throttling_and_lost_answers_are_survived(cloud: Cloud) -> None:
    cloud.instance("clinic")
    cloud.fail("DescribeDBInstances", "Throttling", times=4)
    cloud.lose("DescribeDBClusters", times=2)

    assert found(ADDRESS).id == "clinic"
