"""`migsafe apply --snapshot` and `migsafe snapshot` on RDS, with a real PostgreSQL behind its name.

Each of the traps in which a snapshot that nobody can restore looks like a good one is a test.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migsafe import ledger
from migsafe.errors import ExitCode
from migsafe.snapshots import Shelf, manifest, polling, rds
from migsafe.snapshots.manifest import Manifest
from tests.aws.cloud import Cloud
from tests.cli.cluster import Cluster
from tests.conftest import Called

#: The next look comes at once, and the clock says that it came a minute later.
PAUSE = 60.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(polling, "sleep", sleep)
    monkeypatch.setattr(polling, "clock", lambda: now)


@dataclass(frozen=True, slots=True)
class Clinic:
    """A database in AWS: a real one, and the name that leads to it."""

    cloud: Cloud
    conn: psycopg.Connection[Any]
    host: str
    folder: Path
    migsafe: Callable[..., Called]
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://admin:of-a-test@{self.host}:{self.port}/{self.conn.info.dbname}"

    def call(self, *arguments: str) -> Called:
        return self.migsafe(*arguments, "-e", "prod", "--format", "json")

    def apply(self, *arguments: str) -> Called:
        return self.call("apply", "--snapshot", *arguments)

    def snapshots(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.cloud.client("rds").describe_db_snapshots(
            SnapshotType="manual"
        )["DBSnapshots"]
        return found

    def manifest(self, run: str) -> Manifest:
        return manifest.load(self.folder / ".migsafe" / "snapshots" / f"{run}.json")

    def untouched(self) -> bool:
        """Tell whether nothing of the pending migration is there, nor any schema of ours."""
        row = self.conn.execute("SELECT to_regclass('visits'), to_regnamespace('migsafe')")
        return row.fetchone() == (None, None)

    def moves_to(self, host: str, **more: str) -> "Clinic":
        lines = [f'{key} = "{value}"' for key, value in more.items()]
        made = Clinic(self.cloud, self.conn, host, self.folder, self.migsafe, self.port)
        text = f'[env.prod]\nurl = "{made.url}"\nsnapshot = "rds"\n' + "\n".join(lines)
        (self.folder / "migsafe.toml").write_text(
            f'[history]\npath = "db"\nschemas = ["public"]\n{text}\n'
        )
        return made


@pytest.fixture
def named(
    cloud: Cloud,
    asking: Cluster,
    workdir: Path,
    migsafe: Callable[..., Called],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Clinic]:
    """A database with a table in it and one migration pending, and no name yet in AWS."""
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    monkeypatch.setenv("PGSSLMODE", "disable")  # the server of the tests has none
    name = f"test_{uuid.uuid4().hex[:12]}"
    (workdir / "db").mkdir()
    (workdir / "db" / "1_visits.sql").write_text("CREATE TABLE visits (id bigint PRIMARY KEY);")
    with psycopg.connect(asking.url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
        url = asking.url.replace("/postgres", f"/{name}")
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("CREATE SCHEMA care; CREATE TABLE care.notes (id int)")
            conn.execute("INSERT INTO care.notes SELECT generate_series(1, 7)")
            yield Clinic(cloud, conn, "", workdir, migsafe, asking.port)
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture
def clinic(named: Clinic) -> Clinic:
    """The same as the instance `clinic`."""
    described = named.cloud.instance(
        "clinic",
        port=named.port,
        MultiAZ=True,
        Tags=[{"Key": "team", "Value": "care"}],
        PreferredBackupWindow=_elsewhen(),
    )
    return named.moves_to(described["Endpoint"]["Address"])


def _elsewhen() -> str:
    """Return a backup window that is half a day away."""
    begin = datetime.now(UTC) + timedelta(hours=12)
    return f"{begin:%H:%M}-{begin + timedelta(minutes=30):%H:%M}"


# ---------------------------------------------------------------- apply --snapshot


def test_apply_begins_when_the_snapshot_is_available_and_says_how_to_go_back(
    clinic: Clinic,
) -> None:
    applied = clinic.apply()

    assert applied.code == ExitCode.OK, applied.err
    taken, run = applied.report.snapshot, applied.report.run
    assert taken is not None
    assert (taken.provider, taken.restore) == ("rds", f"migsafe restore {run}")
    (snapshot,) = clinic.snapshots()
    assert (snapshot["DBSnapshotIdentifier"], snapshot["Status"]) == (taken.id, "available")
    made = clinic.conn.execute("SELECT min(recorded) FROM migsafe.receipts").fetchone()
    assert made is not None
    assert clinic.manifest(run).moment < made[0]


def test_nothing_runs_while_the_snapshot_is_creating(clinic: Clinic) -> None:
    clinic.cloud.manners.snapshot_takes = 40
    seen: list[bool] = []
    sleep = polling.sleep

    def look(seconds: float) -> None:
        seen.append(clinic.untouched())
        sleep(seconds)

    polling.sleep = look

    applied = clinic.apply()

    assert applied.code == ExitCode.OK, applied.err
    assert len(seen) >= 40
    assert all(seen)


def test_the_manifest_has_what_a_restore_needs_and_aws_does_not_keep(clinic: Clinic) -> None:
    clinic.cloud.proxy("front", instance="clinic")
    run = clinic.apply().report.run

    kept = clinic.manifest(run)

    described = clinic.cloud.described("clinic")
    assert kept.source["resource_id"] == described["DbiResourceId"]
    assert kept.source["described"]["VpcSecurityGroups"] == described["VpcSecurityGroups"]
    assert kept.source["account"] == "123456789012"
    restore = kept.requests["restore_db_instance_from_db_snapshot"]
    assert restore["DBSnapshotIdentifier"] == kept.id
    assert restore["MultiAZ"] is True
    assert restore["DBSubnetGroupName"] == described["DBSubnetGroup"]["DBSubnetGroupName"]
    assert {"Key": "team", "Value": "care"} in restore["Tags"]
    assert kept.restorable_to is not None
    assert kept.fingerprint.counts == {"care.notes": 7}
    assert kept.fingerprint.exact
    assert kept.copy["DbiResourceId"] == described["DbiResourceId"]
    row = clinic.conn.execute("SELECT manifest FROM migsafe.snapshots").fetchone()
    assert row is not None
    assert manifest.parse(row[0], "") == kept


def test_the_snapshot_is_found_again_by_its_tags(clinic: Clinic) -> None:
    run = clinic.apply().report.run
    (snapshot,) = clinic.snapshots()
    tags = {tag["Key"]: tag["Value"] for tag in snapshot["TagList"]}
    assert tags["migsafe:managed"] == "true"
    assert tags["migsafe:run"] == run
    assert tags["migsafe:resource-id"] == clinic.cloud.described("clinic")["DbiResourceId"]
    assert tags["migsafe:outcome"] == "OK"
    kept = datetime.fromisoformat(tags["migsafe:expires"]) - datetime.fromisoformat(
        tags["migsafe:created"]
    )
    assert kept == timedelta(days=30)


def test_no_password_is_in_what_is_written_down_or_said(clinic: Clinic) -> None:
    applied = clinic.apply("-v", "--debug")

    kept = clinic.conn.execute("SELECT manifest FROM migsafe.snapshots").fetchall()
    written = [path.read_text() for path in (clinic.folder / ".migsafe").rglob("*.json")]
    (snapshot,) = clinic.snapshots()
    assert len(written) == 2
    for text in (applied.out, applied.err, str(kept), str(snapshot), *written):
        assert "of-a-test" not in text


def test_an_instance_that_is_busy_is_waited_for(clinic: Clinic) -> None:
    database = clinic.cloud.backend().databases["clinic"]
    database.status = "modifying"

    def settle() -> None:
        database.status = "available"

    clinic.cloud.manners.begin(database, ["modifying"] * 5, settle)
    assert clinic.apply().code == ExitCode.OK


def test_a_state_in_which_no_snapshot_is_taken_is_named(clinic: Clinic) -> None:
    clinic.cloud.backend().databases["clinic"].status = "upgrading"

    refused = clinic.apply("--snapshot-timeout", "10min")

    assert refused.code == ExitCode.UNREACHABLE
    assert "clinic: is still upgrading after 10 min" in str(refused.report.error)
    assert clinic.cloud.called("CreateDBSnapshot") == []
    assert clinic.untouched()


def test_storage_optimization_is_a_state_to_take_snapshots_in(clinic: Clinic) -> None:
    clinic.cloud.backend().databases["clinic"].status = "storage-optimization"
    assert clinic.apply().code == ExitCode.OK


@pytest.mark.parametrize("status", ["failed", "deleting", "incompatible-restore"])
def test_after_a_snapshot_that_failed_nothing_is_applied(clinic: Clinic, status: str) -> None:
    clinic.cloud.manners.snapshot_ends = status

    refused = clinic.apply()

    assert refused.code == ExitCode.UNREACHABLE
    assert f"is {status}" in str(refused.report.error)
    assert clinic.untouched()


def test_a_snapshot_that_takes_too_long_is_named_with_how_to_go_on(clinic: Clinic) -> None:
    clinic.cloud.manners.snapshot_takes = 10_000

    refused = clinic.apply("--snapshot-timeout", "5h")

    assert refused.code == ExitCode.UNREACHABLE
    (asked,) = clinic.cloud.called("CreateDBSnapshot")
    assert f"snapshot {asked['DBSnapshotIdentifier']}: is still creating after 5 h" in str(
        refused.report.error
    )
    assert "--snapshot-timeout" in str(refused.report.error)
    assert clinic.untouched()


def test_a_snapshot_that_is_gone_is_not_taken_for_a_complete_one(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.cloud.manners.snapshot_takes = 10_000
    sleep = polling.sleep

    def lose(seconds: float) -> None:
        clinic.cloud.backend().database_snapshots.clear()
        sleep(seconds)

    monkeypatch.setattr(polling, "sleep", lose)

    refused = clinic.apply()

    assert refused.code == ExitCode.UNREACHABLE
    assert "is not there" in str(refused.report.error)
    assert clinic.untouched()


def test_eight_throttled_calls_in_a_row_break_no_run(clinic: Clinic) -> None:
    clinic.cloud.fail("CreateDBSnapshot", "Throttling", times=8)
    clinic.cloud.fail("DescribeDBSnapshots", "Throttling", times=8)
    assert clinic.apply().code == ExitCode.OK


def test_our_own_snapshot_is_taken_over_when_its_answer_was_lost(clinic: Clinic) -> None:
    clinic.cloud.lose("CreateDBSnapshot")

    applied = clinic.apply()

    assert applied.code == ExitCode.OK, applied.err
    assert len(clinic.cloud.called("CreateDBSnapshot")) == 2
    assert len(clinic.snapshots()) == 1


def test_a_snapshot_of_the_same_name_that_is_not_ours_is_refused(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("migsafe.snapshots.rds.named", lambda *_: "migsafe-taken")
    clinic.cloud.manners.snapshot_takes = 0
    client = clinic.cloud.client("rds")
    client.create_db_snapshot(DBInstanceIdentifier="clinic", DBSnapshotIdentifier="migsafe-taken")
    client.describe_db_snapshots()

    refused = clinic.apply()

    assert refused.code == ExitCode.UNREACHABLE
    assert "it is not of this run" in str(refused.report.error)
    assert clinic.untouched()


def test_a_full_quota_is_refused_before_anything_is_asked_for(clinic: Clinic) -> None:
    clinic.cloud.manners.quota = 0

    refused = clinic.apply()

    assert refused.code == ExitCode.UNREACHABLE
    assert "0 of 0 manual snapshots" in str(refused.report.error)
    assert clinic.cloud.called("CreateDBSnapshot") == []
    assert clinic.untouched()


def test_another_account_than_the_expected_one_is_refused(clinic: Clinic) -> None:
    before = len(clinic.cloud.calls)

    refused = clinic.apply("--expect-account", "999999999999")

    assert refused.code in (ExitCode.UNREACHABLE, ExitCode.USAGE)
    assert "123456789012" in str(refused.report.error)
    assert {call.operation for call in clinic.cloud.calls[before:]} == {"GetCallerIdentity"}
    assert clinic.untouched()


def test_what_the_role_may_not_ask_is_said_and_stops_nothing(clinic: Clinic) -> None:
    for operation in ("DescribeAccountAttributes", "DescribePendingMaintenanceActions"):
        clinic.cloud.fail(operation, "AccessDenied", status=403)

    applied = clinic.apply()

    assert applied.code == ExitCode.OK, applied.err
    said = [note for note in applied.report.notes if note.startswith("Not known")]
    assert len(said) == 2


def test_risks_around_the_snapshot_are_said(named: Clinic) -> None:
    now = datetime.now(UTC)
    described = named.cloud.instance(
        "clinic",
        port=named.port,
        BackupRetentionPeriod=0,
        PreferredBackupWindow=f"{now:%H:%M}-{now + timedelta(minutes=30):%H:%M}",
    )
    clinic = named.moves_to(described["Endpoint"]["Address"])
    clinic.conn.execute("CREATE UNLOGGED TABLE care.cache (id int)")

    notes = "\n".join(clinic.apply().report.notes)

    assert "AWS account 123456789012, eu-central-1" in notes
    assert "The backup window" in notes
    assert "the snapshot is the only way back" in notes
    assert "single zone" in notes
    assert "not encrypted" in notes
    assert "Unlogged tables come back empty: care.cache." in notes


def test_a_dry_run_says_what_the_snapshot_would_and_makes_none(named: Clinic) -> None:
    described = named.cloud.instance("clinic", port=named.port, MultiAZ=False)
    clinic = named.moves_to(described["Endpoint"]["Address"])

    dry = clinic.apply("--dry-run")

    assert dry.code == ExitCode.OK, dry.err
    assert any("single zone" in note for note in dry.report.notes)
    assert clinic.snapshots() == []
    assert clinic.call("apply", "--dry-run").report.notes == ()
    clinic.cloud.manners.quota = 0
    assert clinic.apply("--dry-run").code == ExitCode.UNREACHABLE


def test_without_waiting_there_has_to_be_a_second_way_back(named: Clinic) -> None:
    described = named.cloud.instance("clinic", port=named.port, BackupRetentionPeriod=0)
    clinic = named.moves_to(described["Endpoint"]["Address"])

    refused = clinic.apply("--no-wait")

    assert refused.code == ExitCode.USAGE
    assert clinic.cloud.called("CreateDBSnapshot") == []
    assert clinic.untouched()


def test_with_backups_on_the_run_need_not_wait(clinic: Clinic) -> None:
    clinic.cloud.manners.snapshot_takes = 10_000

    applied = clinic.apply("--no-wait")

    assert applied.code == ExitCode.OK, applied.err
    kept = clinic.manifest(applied.report.run)
    assert not kept.complete
    assert not kept.fingerprint.exact


def test_a_request_that_could_not_be_restored_stops_before_the_snapshot(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    from migsafe.snapshots import requests

    build = requests.of_instance

    def broken(*args: Any, **named: Any) -> dict[str, Any]:
        return build(*args, **named) | {requests.MODIFY_INSTANCE: {"Unheard": 1}}

    monkeypatch.setattr(requests, "of_instance", broken)

    refused = clinic.apply()

    assert refused.code == ExitCode.UNREACHABLE
    assert "Unheard" in str(refused.report.error)
    assert clinic.cloud.called("CreateDBSnapshot") == []
    assert clinic.untouched()


def test_rows_that_others_write_meanwhile_are_between_two_counts(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = polling.sleep

    def write(seconds: float) -> None:
        clinic.conn.execute("INSERT INTO care.notes VALUES (8)")
        sleep(seconds)

    monkeypatch.setattr(polling, "sleep", write)

    found = clinic.manifest(clinic.apply().report.run).fingerprint

    assert found.exact
    assert found.counts == {"care.notes": 7}
    assert found.later["care.notes"] > 7


def test_rows_that_come_and_go_meanwhile_are_known_to_have(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = polling.sleep

    def queue(seconds: float) -> None:
        clinic.conn.execute("INSERT INTO care.notes VALUES (8), (9)")
        clinic.conn.execute("DELETE FROM care.notes WHERE id IN (1, 8, 9)")
        clinic.conn.execute("INSERT INTO care.notes VALUES (1)")
        clinic.conn.execute("SELECT pg_stat_force_next_flush()")
        sleep(seconds)

    monkeypatch.setattr(polling, "sleep", queue)

    found = clinic.manifest(clinic.apply().report.run).fingerprint

    assert found.counts == {"care.notes": 7}
    assert found.later == {}
    low, high = found.between["care.notes"]
    assert low <= 6
    assert high >= 9


def test_a_schema_that_changes_meanwhile_stops_the_run(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = polling.sleep

    def change(seconds: float) -> None:
        clinic.conn.execute("CREATE TABLE IF NOT EXISTS care.hidden (id int)")
        sleep(seconds)

    monkeypatch.setattr(polling, "sleep", change)

    refused = clinic.apply()

    assert refused.code == ExitCode.UNREACHABLE
    assert "the schema was changed while the snapshot was taken" in str(refused.report.error)
    assert clinic.untouched()


def test_a_session_that_is_cut_while_the_snapshot_is_taken_is_opened_again(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep, cut = polling.sleep, 0
    executing = """SELECT pg_terminate_backend(pid, 5000) FROM pg_locks
                   WHERE locktype = 'advisory' AND pid <> pg_backend_pid() AND database =
                       (SELECT oid FROM pg_database WHERE datname = current_database())
                   GROUP BY pid HAVING count(*) = 1"""

    def kill(seconds: float) -> None:
        nonlocal cut
        cut += len(clinic.conn.execute(executing).fetchall()) if not cut else 0
        sleep(seconds)

    monkeypatch.setattr(polling, "sleep", kill)

    applied = clinic.apply()

    assert cut == 1
    assert applied.code == ExitCode.OK, applied.err
    row = clinic.conn.execute("SELECT to_regclass('visits') IS NOT NULL").fetchone()
    assert row == (True,)


def test_a_lock_that_is_lost_while_the_snapshot_is_taken_stops_the_run(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = polling.sleep
    holding = """SELECT pg_terminate_backend(pid, 5000) FROM pg_locks
                 WHERE locktype = 'advisory' AND pid <> pg_backend_pid() AND database =
                     (SELECT oid FROM pg_database WHERE datname = current_database())
                 GROUP BY pid HAVING count(*) > 1"""

    def kill(seconds: float) -> None:
        clinic.conn.execute(holding)
        sleep(seconds)

    monkeypatch.setattr(polling, "sleep", kill)

    refused = clinic.apply()

    assert refused.code == ExitCode.BUSY, refused.err
    assert clinic.untouched()


def test_rows_that_came_while_the_snapshot_was_taken_are_asked_about_again(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clinic.folder / "db" / "1_visits.sql").write_text(
        "ALTER TABLE care.notes ADD CONSTRAINT once UNIQUE (id);"
    )
    clinic.cloud.manners.snapshot_takes = 8
    sleep = polling.sleep

    def write(seconds: float) -> None:
        clinic.conn.execute("INSERT INTO care.notes VALUES (7)")
        sleep(seconds)

    monkeypatch.setattr(polling, "sleep", write)

    refused = clinic.apply()

    assert refused.code == ExitCode.FINDINGS, refused
    assert refused.report.snapshot is not None
    assert refused.report.steps == ()
    (snapshot,) = clinic.snapshots()
    assert {"Key": "migsafe:outcome", "Value": "FINDINGS"} in snapshot["TagList"]


# ---------------------------------------------------------------- clusters


def test_a_member_of_a_cluster_is_snapshotted_with_its_cluster(named: Clinic) -> None:
    named.cloud.cluster("clinic", port=named.port)
    writer = named.cloud.described("clinic-one")["Endpoint"]["Address"]
    clinic = named.moves_to(writer)

    applied = clinic.apply()

    assert applied.code == ExitCode.OK, applied.err
    assert clinic.cloud.called("CreateDBSnapshot") == []
    (asked,) = clinic.cloud.called("CreateDBClusterSnapshot")
    assert asked["DBClusterIdentifier"] == "clinic"
    kept = clinic.manifest(applied.report.run)
    restore = kept.requests["restore_db_cluster_from_snapshot"]
    assert restore["EngineVersion"] == "16.4"
    members = kept.requests["create_db_instance"]
    assert len(members) == 2
    assert {one["DBInstanceClass"] for one in members} == {"db.r6g.large"}


def test_a_multi_az_cluster_is_restored_without_members_of_ours(named: Clinic) -> None:
    described = named.cloud.cluster(
        "clinic",
        port=named.port,
        members=(),
        Engine="postgres",
        DBClusterInstanceClass="db.m6gd.large",
        AllocatedStorage=100,
        StorageType="io1",
        Iops=3000,
    )
    clinic = named.moves_to(described["Endpoint"])

    applied = clinic.apply()

    assert applied.code == ExitCode.OK, applied.err
    kept = clinic.manifest(applied.report.run)
    assert "create_db_instance" not in kept.requests
    assert kept.source["kind"] == "multi-az-cluster"


def test_ctrl_c_while_the_snapshot_is_taken_is_written_on_it(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> None:
        if clinic.snapshots():
            raise KeyboardInterrupt

    monkeypatch.setattr(polling, "sleep", interrupt)

    stopped = clinic.apply()

    assert stopped.code == ExitCode.INTERRUPTED, stopped.err
    assert clinic.untouched()
    assert outcomes(clinic) == ["INTERRUPTED"]


def test_a_snapshot_whose_manifest_cannot_be_kept_says_how_its_run_ended(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: Any) -> None:
        raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(ledger, "keep", lost)

    stopped = clinic.apply()

    assert stopped.code == ExitCode.UNREACHABLE, stopped.err
    assert clinic.untouched()
    assert outcomes(clinic) == ["UNREACHABLE"]


def outcomes(clinic: Clinic) -> list[str]:
    tags = [tag for one in clinic.snapshots() for tag in one["TagList"]]
    return [tag["Value"] for tag in tags if tag["Key"] == "migsafe:outcome"]


# ---------------------------------------------------------------- list and prune


def expired(clinic: Clinic, run: str, **tags: str) -> None:
    """Let a snapshot's time have come; write more of its tags anew."""
    client = clinic.cloud.client("rds")
    for one in clinic.snapshots():
        if {"Key": "migsafe:run", "Value": run} in one["TagList"]:
            old = datetime.now(UTC) - timedelta(days=40)
            said = {"created": f"{old:%Y-%m-%dT%H:%M:%SZ}", "expires": "2026-01-01T00:00:00Z"}
            client.add_tags_to_resource(
                ResourceName=one["DBSnapshotArn"],
                Tags=[
                    {"Key": f"migsafe:{key}", "Value": value}
                    for key, value in (said | tags).items()
                ],
            )


def test_only_our_own_old_snapshots_of_this_database_go(clinic: Clinic) -> None:
    old, new = (clinic.call("snapshot", "create").report.run for _ in "ab")
    client = clinic.cloud.client("rds")
    clinic.cloud.instance("other")
    for name in ("other", "clinic"):
        client.create_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=f"mine-{name}")
        client.describe_db_snapshots()
        client.describe_db_snapshots()
        client.describe_db_snapshots()
    expired(clinic, old)

    listed = clinic.call("snapshot", "list").report.copies
    dry = clinic.call("snapshot", "prune")
    before = len(clinic.snapshots())
    done = clinic.call("snapshot", "prune", "--yes", "-v")

    assert "AWS account 123456789012, eu-central-1" in done.err
    assert [copy.run for copy in listed] == [new, old]
    assert {copy.run: copy.fate for copy in dry.report.copies} == {new: "kept", old: "to delete"}
    assert before == 4
    assert done.code == ExitCode.OK, done.err
    left = {one["DBSnapshotIdentifier"] for one in clinic.snapshots()}
    assert {"mine-other", "mine-clinic"} < left
    assert len(left) == 3


def test_snapshots_are_found_after_the_database_was_renamed(clinic: Clinic) -> None:
    run = clinic.call("snapshot", "create").report.run
    client = clinic.cloud.client("rds")
    client.modify_db_instance(
        DBInstanceIdentifier="clinic", NewDBInstanceIdentifier="renamed", ApplyImmediately=True
    )
    for _ in range(8):
        described = client.describe_db_instances()["DBInstances"][0]
    assert described["DBInstanceIdentifier"] == "renamed"
    clinic.cloud.backend().databases["renamed"].port = clinic.port
    renamed = clinic.moves_to(described["Endpoint"]["Address"])

    listed = renamed.call("snapshot", "list")

    assert [copy.run for copy in listed.report.copies] == [run]


def test_a_tag_keeps_a_snapshot(clinic: Clinic) -> None:
    old, _ = (clinic.call("snapshot", "create").report.run for _ in "ab")
    expired(clinic, old, keep="true")
    done = clinic.call("snapshot", "prune", "--yes")
    assert {copy.fate for copy in done.report.copies} == {"kept"}
    assert len(clinic.snapshots()) == 2


def test_the_snapshot_of_a_killed_run_goes_in_time_unless_a_run_is_in_progress(
    clinic: Clinic,
) -> None:
    old, new = (clinic.call("snapshot", "create").report.run for _ in "ab")
    expired(clinic, old, outcome="open")
    clinic.conn.execute("SELECT pg_advisory_lock(%s)", [ledger.LOCK])
    kept = clinic.call("snapshot", "prune", "--yes")
    clinic.conn.execute("SELECT pg_advisory_unlock(%s)", [ledger.LOCK])

    done = clinic.call("snapshot", "prune", "--yes")

    assert {copy.fate for copy in kept.report.copies} == {"kept"}
    assert {copy.run: copy.fate for copy in done.report.copies} == {new: "kept", old: "deleted"}


def test_what_cannot_be_deleted_does_not_save_the_others(clinic: Clinic) -> None:
    runs = [clinic.call("snapshot", "create").report.run for _ in "abc"]
    for run in runs[:2]:
        expired(clinic, run)
    clinic.cloud.fail("DeleteDBSnapshot", "InvalidDBSnapshotState")

    done = clinic.call("snapshot", "prune", "--yes")

    assert done.code == ExitCode.UNREACHABLE
    assert sorted(copy.fate for copy in done.report.copies) == ["deleted", "failed", "kept"]
    assert "1 could not be deleted" in str(done.report.error)
    assert len(clinic.snapshots()) == 2


def test_a_snapshot_that_somebody_keeps_at_the_last_moment_is_kept(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, _ = (clinic.call("snapshot", "create").report.run for _ in "ab")
    expired(clinic, old)
    found = rds.found

    def then_kept(shelf: Shelf) -> Any:
        copies = found(shelf)
        expired(clinic, old, keep="true")
        return copies

    monkeypatch.setattr(rds, "found", then_kept)

    done = clinic.call("snapshot", "prune", "--yes")

    assert done.code == ExitCode.UNREACHABLE
    assert clinic.cloud.called("DeleteDBSnapshot") == []
    assert len(clinic.snapshots()) == 2


def test_the_outcome_of_a_run_that_failed_is_written_on_its_snapshot(clinic: Clinic) -> None:
    (clinic.folder / "db" / "1_visits.sql").write_text("SELECT 1 / 0;")
    assert clinic.apply("--gate", "never").code == ExitCode.FAILED
    (snapshot,) = clinic.snapshots()
    assert {"Key": "migsafe:outcome", "Value": "FAILED"} in snapshot["TagList"]
