"""A clinic on RDS whose last migration went wrong: two real servers, one snapshot, one manifest."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec import structs
from ulid import ULID

from migsafe import restore
from migsafe.aws.identify import Database, Kind
from migsafe.errors import ExitCode
from migsafe.restore import journal
from migsafe.restore.journal import Journal
from migsafe.shadow import servers
from migsafe.snapshots import Fingerprint, Manifest, fingerprint, manifest, requests, surroundings
from tests.aws.cloud import ACCOUNT, REGION, Cloud
from tests.cli.cluster import _free_port
from tests.conftest import Called
from tests.faults import SCALE

#: Whether every fault is tried, or enough of them; CONTRIBUTING has the variable.
ALL = SCALE > 1


#: What the database held when the snapshot was taken.
CONTENT = """
CREATE TABLE patients (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO patients SELECT n, 'patient ' || n FROM generate_series(1, 100) AS n;
CREATE TABLE visits (id int PRIMARY KEY, patient int NOT NULL REFERENCES patients, note text);
INSERT INTO visits SELECT n, n, 'note' FROM generate_series(1, 50) AS n;
"""

#: What the migration made of it.
DAMAGE = "ALTER TABLE visits DROP COLUMN note; DELETE FROM visits WHERE id > 10;"


@dataclass(frozen=True, slots=True)
class Pair:
    """The server of the database, damaged, and that of every copy; `held` is what both held."""

    old: int
    new: int
    admins: tuple[str, str]
    held: Fingerprint

    def open(self) -> None:
        """Let everybody in again, on both servers."""
        for url in self.admins:
            with psycopg.connect(url, autocommit=True) as conn:
                for name in ("records", "billing"):
                    conn.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1".encode())

    def limits(self) -> dict[str, int]:
        """Return the connection limits of the old server's databases."""
        with psycopg.connect(self.admins[0]) as conn:
            rows = conn.execute(
                "SELECT datname, datconnlimit FROM pg_database WHERE datname = ANY(%s)",
                [["records", "billing"]],
            )
            return {str(name): int(limit) for name, limit in rows}


def _url(port: int) -> str:
    return f"postgresql://owner@127.0.0.1:{port}/records"


@contextmanager
def pair() -> Iterator[Pair]:
    """Run the two servers."""
    with ExitStack() as stack:
        ports, admins = (_free_port(), _free_port()), []
        for port in ports:
            settings = {"listen_addresses": "127.0.0.1", "port": str(port), "autovacuum": "off"}
            stack.enter_context(servers.started(servers.embedded(), settings))
            admins.append(f"postgresql://postgres@127.0.0.1:{port}/postgres")
            _filled(admins[-1], port)
        with psycopg.connect(_url(ports[1]), autocommit=True) as conn:
            held = fingerprint.read(conn, history=None)
        with psycopg.connect(_url(ports[0])) as conn:
            conn.execute(DAMAGE.encode())
        yield Pair(ports[0], ports[1], (admins[0], admins[1]), held)


def _filled(admin: str, port: int) -> None:
    """Make what a master user of RDS has: no superuser, who may end the sessions of others."""
    with psycopg.connect(admin, autocommit=True) as conn:
        conn.execute("CREATE ROLE owner LOGIN; GRANT pg_signal_backend TO owner")
        conn.execute("CREATE ROLE app LOGIN")
        conn.execute("CREATE DATABASE records OWNER owner")
        conn.execute("CREATE DATABASE billing OWNER owner")
    with psycopg.connect(_url(port)) as conn:
        conn.execute(CONTENT.encode())


class Killed(BaseException):
    """The process ends here."""


@dataclass(slots=True)
class Clock:
    """Time that passes while somebody sleeps, and never else."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)
    #: After how many naps somebody presses Ctrl-C; None for never.
    interrupted: int | None = None

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)
        if len(self.slept) == self.interrupted:
            raise KeyboardInterrupt

    def read(self) -> float:
        return self.now


@dataclass(slots=True)
class Clinic:
    """One database on AWS, its snapshot, and the command that goes back to it."""

    cloud: Cloud
    pair: Pair
    folder: Path
    cli: Callable[..., Called]
    manifest: Manifest
    clock: Clock
    patch: pytest.MonkeyPatch
    started: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return str(self.manifest.source["id"])

    @property
    def resource(self) -> str:
        return str(self.manifest.source["resource_id"])

    def restore(self, *flags: str) -> Called:
        return self.cli("restore", self.manifest.run, *flags, "--format", "json")

    def write(self) -> None:
        """Keep the manifest as it is now."""
        manifest.write(self.folder / ".migsafe" / "snapshots", self.manifest)

    def change(self, **parts: Any) -> None:
        """Keep another manifest."""
        self.manifest = structs.replace(self.manifest, **parts)
        self.write()

    @property
    def journal(self) -> Journal:
        return journal.journals(self.folder / ".migsafe" / "restores")[0]

    def things(self) -> dict[str, str]:
        """Return who has which name: names by resource id, of instances and of clusters."""
        backend = self.cloud.backend()
        instances = {one.dbi_resource_id: name for name, one in backend.databases.items()}
        clusters = {one.db_cluster_resource_id: name for name, one in backend.clusters.items()}
        return instances | clusters

    def described(self, name: str) -> dict[str, Any]:
        return self.cloud.described(name)

    def described_all(self) -> list[dict[str, Any]]:
        return [self.cloud.described(name) for name in self.cloud.backend().databases]

    def targets(self) -> list[dict[str, Any]]:
        """Return what the proxy leads to."""
        found = self.cloud.client("rds").describe_db_proxy_targets(DBProxyName="front")
        return list(found["Targets"])

    def changes(self) -> list[str]:
        """Return the calls that change something, in order."""
        read = ("Describe", "Get", "List")
        return [call.operation for call in self.cloud.calls if not call.operation.startswith(read)]

    def before(self, operation: str, action: Callable[[], None], *, after: int) -> None:
        """Do something just before a call of an operation is answered, `after` others of it."""
        original, seen = Cloud._next_fault, list[str]()

        def hook(cloud: Cloud, met: str) -> Any:
            if met == operation:
                seen.append(met)
                if len(seen) == after + 1:
                    action()
            return original(cloud, met)

        self.patch.setattr(Cloud, "_next_fault", hook)

    def wait(self, timeout: str) -> None:
        """Have the command wait for so long at most."""
        text = config(self.manifest) + f"snapshot_timeout = '{timeout}'\n"
        (self.folder / "migsafe.toml").write_text(text)

    def move(self, name: str, **more: Any) -> None:
        """Go on with another instance and its snapshot."""
        described = instance(self.cloud, self.pair, name, **more)
        self.manifest = snapshot(self.cloud, described, self.pair)
        self.write()
        (self.folder / "migsafe.toml").write_text(config(self.manifest))

    def called(self, name: str, new: str) -> None:
        """Let somebody else rename an instance of theirs, at once."""
        databases = self.cloud.backend().databases
        databases[new] = databases.pop(name)
        databases[new].db_instance_identifier = new

    def tag(self, tags: dict[str, str]) -> None:
        """Put tags on the snapshot, as migsafe does when it takes one."""
        said = {"migsafe:managed": "true", "migsafe:created": "2026-01-02T03:04:05Z", **tags}
        pairs = [{"Key": key, "Value": value} for key, value in said.items()]
        arn = self.manifest.copy["DBSnapshotArn"]
        self.cloud.client("rds").add_tags_to_resource(ResourceName=arn, Tags=pairs)

    def settle(self) -> None:
        """Let AWS come to the end of whatever it is busy with."""
        while changes := self.cloud.manners.changes:
            self.cloud.manners.finish(changes[0].thing)

    def check(self) -> None:
        """Hold what must be true whenever a restore has stopped, wherever it stopped."""
        now = self.things()
        assert self.started <= set(now), "a database of before is gone"
        record = self.journal.record
        if record.outcome is not None:
            owners = [resource for resource, name in now.items() if name == self.name]
            assert owners, "nobody has the name at an end"
            expected = record.memory["new"] if record.outcome == "swapped" else record.memory["old"]
            assert owners == [expected]
        if record.outcome == "undone":
            assert self.pair.limits() == {"records": -1, "billing": -1}


def opened(
    cloud: Cloud,
    pair: Pair,
    clock: Clock,
    folder: Path,
    cli: Callable[..., Called],
    found: Manifest,
    patch: pytest.MonkeyPatch,
) -> Iterator[Clinic]:
    """Write down what there is, yield it, and let everybody in again."""
    made = Clinic(cloud, pair, folder, cli, found, clock, patch)
    made.write()
    (folder / "migsafe.toml").write_text(config(found))
    cloud.restores_to(pair.new)
    made.started = set(made.things())
    cloud.calls.clear()
    yield made
    pair.open()


def instance(cloud: Cloud, pair: Pair, name: str = "clinic", **more: Any) -> dict[str, Any]:
    """Create an instance with all that a restore forgets."""
    rds = cloud.client("rds")
    network = _network(cloud, name)
    rds.create_db_parameter_group(
        DBParameterGroupName=f"pg-{name}", DBParameterGroupFamily="postgres16", Description="x"
    )
    settings: dict[str, Any] = {
        **network,
        "DBParameterGroupName": f"pg-{name}",
        "MultiAZ": True,
        "DeletionProtection": True,
        "EnableIAMDatabaseAuthentication": True,
        "MaxAllocatedStorage": 100,
        "CopyTagsToSnapshot": True,
        "PreferredMaintenanceWindow": "sun:05:00-sun:06:00",
        "PreferredBackupWindow": "03:00-04:00",
        "Tags": [{"Key": "team", "Value": "clinic"}],
    }
    cloud.instance(name, port=pair.old, **settings | more)
    role = f"arn:aws:iam::{ACCOUNT}:role/export"
    rds.add_role_to_db_instance(DBInstanceIdentifier=name, RoleArn=role, FeatureName="s3Export")
    return cloud.described(name)


def _network(cloud: Cloud, name: str) -> dict[str, Any]:
    """Make a security group and a subnet group, and return the parameters that name them."""
    ec2 = cloud.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    group = ec2.create_security_group(GroupName=f"sg-{name}", Description="x", VpcId=vpc)["GroupId"]
    subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
    cloud.client("rds").create_db_subnet_group(
        DBSubnetGroupName=f"net-{name}", DBSubnetGroupDescription="x", SubnetIds=subnets
    )
    return {"VpcSecurityGroupIds": [group], "DBSubnetGroupName": f"net-{name}"}


def snapshot(
    cloud: Cloud, described: dict[str, Any], pair: Pair, *, proxies: tuple[str, ...] = ()
) -> Manifest:
    """Take a snapshot of an instance, and write down what a restore needs."""
    rds, name = cloud.client("rds"), described["DBInstanceIdentifier"]
    cloud.manners.snapshot_takes = 0
    rds.create_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=f"migsafe-{name}")
    copy = rds.describe_db_snapshots(DBSnapshotIdentifier=f"migsafe-{name}")["DBSnapshots"][0]
    database = _database(described, proxies)
    built = requests.of_instance(
        described,
        snapshot=f"migsafe-{name}",
        name=f"{name}-restore",
        tags={"migsafe:managed": "true"},
    )
    return _manifest(cloud, pair, database, copy, f"migsafe-{name}", built)


def cluster(cloud: Cloud, pair: Pair, kind: Kind, name: str = "clinic") -> dict[str, Any]:
    """Create a cluster with all that a restore forgets, and an engine that is not the default."""
    network = _network(cloud, name)
    cloud.client("rds").create_db_cluster_parameter_group(
        DBClusterParameterGroupName=f"cpg-{name}",
        DBParameterGroupFamily="aurora-postgresql16",
        Description="x",
    )
    more: dict[str, Any] = {
        **network,
        "DBClusterParameterGroupName": f"cpg-{name}",
        "DeletionProtection": True,
        "Tags": [{"Key": "team", "Value": "clinic"}],
    }
    if kind == "aurora":
        return cloud.cluster(name, port=pair.old, **more)
    own: dict[str, Any] = {
        "Engine": "postgres",
        "DBClusterInstanceClass": "db.m6gd.large",
        "AllocatedStorage": 100,
    }
    return cloud.cluster(
        name, port=pair.old, members=(), **more, **own, StorageType="io1", Iops=1000
    )


def snapshot_cluster(cloud: Cloud, described: dict[str, Any], pair: Pair, kind: Kind) -> Manifest:
    """Take a snapshot of a cluster, and write down what a restore needs."""
    rds, name = cloud.client("rds"), described["DBClusterIdentifier"]
    cloud.manners.snapshot_takes = 0
    asked = {"DBClusterSnapshotIdentifier": f"migsafe-{name}"}
    rds.create_db_cluster_snapshot(DBClusterIdentifier=name, **asked)
    copy = rds.describe_db_cluster_snapshots(**asked)["DBClusterSnapshots"][0]
    members = [
        cloud.described(one["DBInstanceIdentifier"]) for one in described["DBClusterMembers"]
    ]
    database = Database(
        kind=kind,
        id=name,
        resource_id=described["DbClusterResourceId"],
        arn=described["DBClusterArn"],
        region=REGION,
        account=ACCOUNT,
        host=described["Endpoint"],
        port=described["Port"],
        via="endpoint",
        described=described,
        members=members,
    )
    built = requests.of_cluster(
        described, members, snapshot=f"migsafe-{name}", name=f"{name}-restore", tags={}
    )
    return _manifest(cloud, pair, database, copy, f"migsafe-{name}", built)


def _database(
    described: dict[str, Any], proxies: tuple[str, ...], kind: Kind = "instance"
) -> Database:
    return Database(
        kind=kind,
        id=described["DBInstanceIdentifier"],
        resource_id=described["DbiResourceId"],
        arn=described["DBInstanceArn"],
        region=REGION,
        account=ACCOUNT,
        host=described["Endpoint"]["Address"],
        port=described["Endpoint"]["Port"],
        via="endpoint",
        described=described,
        proxies=proxies,
    )


def _manifest(
    cloud: Cloud,
    pair: Pair,
    database: Database,
    copy: dict[str, Any],
    name: str,
    built: dict[str, Any],
) -> Manifest:
    denied: list[str] = []
    source = surroundings.read(cloud.client("rds"), database, database.described, denied)
    assert not denied
    return Manifest(
        run=str(ULID()),
        provider="rds",
        id=name,
        taken=datetime.now(UTC),
        moment=datetime.now(UTC),
        place=f"{database.host}:{pair.old}/records",
        database="records",
        server_version="16.4",
        fingerprint=pair.held,
        source=source,
        copy=copy,
        requests=built,
    )


def config(found: Manifest) -> str:
    """Return a config file whose target is the database of a manifest."""
    return f"[env.prod]\nurl = 'postgresql://owner@{found.place}'\nsnapshot = 'rds'\n"


def killed(patch: pytest.MonkeyPatch, step: str, moment: str, way: str = "act") -> list[str]:
    """Let the process die at a step, before it is taken or before anybody hears of it."""
    taken, met = restore._taken, list[str]()

    def dies(journal: Journal, name: str, change: Callable[[], None]) -> None:
        if name != step or getattr(change, "__name__", "") != way:
            taken(journal, name, change)
            return
        met.append(step)
        if moment == "after":
            change()
        patch.setattr(restore, "_taken", taken)
        raise Killed

    patch.setattr(restore, "_taken", dies)
    return met


#: The flags of each way out, and how the restore has ended then.
WAYS = {
    "undo": (("--undo",), "undone"),
    "resume": (("--resume", "--swap"), "swapped"),
    "beside": (("--resume",), "beside"),
}


def ended(clinic: Clinic, way: str) -> None:
    """Go on or back, and hold what must be so at the end."""
    flags, outcome = WAYS[way]
    called = clinic.restore(*flags, "--yes")
    assert called.code == ExitCode.OK, called
    assert clinic.journal.record.outcome == outcome
    clinic.check()
