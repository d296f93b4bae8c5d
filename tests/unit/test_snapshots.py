"""What is known of a snapshot without asking anybody: requests, names, tags, windows, waiting."""

import re
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from migsafe.errors import UnreachableError, UsageError
from migsafe.snapshots import Copy, manifest, polling, preflight, pruning, rds, requests
from migsafe.snapshots.manifest import Fingerprint, Manifest
from migsafe.snapshots.polling import Seen
from migsafe.snapshots.pruning import Rule

#: 2026-11-25 was a Wednesday.
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)

INSTANCE: dict[str, Any] = {
    "DBInstanceIdentifier": "clinic",
    "DBInstanceClass": "db.t4g.medium",
    "Engine": "postgres",
    "EngineVersion": "16.4",
    "Endpoint": {"Address": "clinic.x.eu-central-1.rds.amazonaws.com", "Port": 6432},
    "AllocatedStorage": 20,
    "MaxAllocatedStorage": 100,
    "StorageType": "gp3",
    "Iops": 3000,
    "StorageThroughput": 125,
    "MultiAZ": True,
    "DeletionProtection": True,
    "PubliclyAccessible": False,
    "AutoMinorVersionUpgrade": False,
    "CopyTagsToSnapshot": True,
    "IAMDatabaseAuthenticationEnabled": True,
    "EnabledCloudwatchLogsExports": ["postgresql"],
    "BackupRetentionPeriod": 7,
    "PreferredBackupWindow": "03:00-03:30",
    "PreferredMaintenanceWindow": "sun:04:00-sun:04:30",
    "CACertificateIdentifier": "rds-ca-rsa2048-g1",
    "NetworkType": "IPV4",
    "DedicatedLogVolume": False,
    "EngineLifecycleSupport": "open-source-rds-extended-support-disabled",
    "DBSubnetGroup": {"DBSubnetGroupName": "private"},
    "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1", "Status": "active"}],
    "DBParameterGroups": [{"DBParameterGroupName": "clinic-16"}],
    "OptionGroupMemberships": [{"OptionGroupName": "default:postgres-16"}],
    "MonitoringInterval": 60,
    "MonitoringRoleArn": "arn:aws:iam::123456789012:role/monitoring",
    "PerformanceInsightsEnabled": True,
    "PerformanceInsightsRetentionPeriod": 7,
    "DatabaseInsightsMode": "standard",
    "TagList": [
        {"Key": "team", "Value": "care"},
        {"Key": "aws:cloudformation:stack", "Value": "s"},
    ],
}

AURORA: dict[str, Any] = {
    "DBClusterIdentifier": "clinic",
    "Engine": "aurora-postgresql",
    "EngineVersion": "15.8",
    "Port": 6432,
    "DBSubnetGroup": "private",
    "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1"}],
    "DBClusterParameterGroup": "clinic-15",
    "DeletionProtection": True,
    "IAMDatabaseAuthenticationEnabled": True,
    "ServerlessV2ScalingConfiguration": {"MinCapacity": 0.5, "MaxCapacity": 8.0},
    "AssociatedRoles": [{"RoleArn": "arn:aws:iam::1:role/s3", "FeatureName": "s3Import"}],
    "BackupRetentionPeriod": 7,
    "PreferredMaintenanceWindow": "sun:04:00-sun:04:30",
    "StorageType": "aurora-iopt1",
    "TagList": [{"Key": "rds:x", "Value": "no"}],
}

MEMBERS: list[dict[str, Any]] = [
    {
        "DBInstanceIdentifier": name,
        "DBInstanceClass": size,
        "Engine": "aurora-postgresql",
        "PromotionTier": tier,
        "DBParameterGroups": [{"DBParameterGroupName": "member-15"}],
        "PubliclyAccessible": False,
        "AvailabilityZone": "eu-central-1a",
    }
    for name, size, tier in [("clinic-writer", "db.r6g.large", 0), ("old", "db.r6g.xlarge", 1)]
]


def of_instance(**more: Any) -> dict[str, Any]:
    return requests.of_instance(INSTANCE | more, snapshot="s", name="beside", tags={"a": "b"})


def of_cluster(**more: Any) -> dict[str, Any]:
    described = AURORA | more
    return requests.of_cluster(described, MEMBERS, snapshot="s", name="beside", tags={"a": "b"})


def check(built: dict[str, Any]) -> None:
    """Hold every request against the service's model."""
    model = botocore.session.get_session().get_service_model("rds")
    names = {botocore.xform_name(name): name for name in model.operation_names}
    for operation, asked in built.items():
        for one in asked if isinstance(asked, list) else [asked]:
            shape = model.operation_model(names[operation]).input_shape
            report = ParamValidator().validate(one, shape)
            assert not report.has_errors(), report.generate_report()


# ---------------------------------------------------------------- requests


def test_an_instance_gets_everything_back_that_a_restore_takes() -> None:
    built = of_instance()
    check(built)
    assert built["restore_db_instance_from_db_snapshot"] == {
        "DBInstanceIdentifier": "beside",
        "DBSnapshotIdentifier": "s",
        "DBInstanceClass": "db.t4g.medium",
        "Port": 6432,
        "DBSubnetGroupName": "private",
        "VpcSecurityGroupIds": ["sg-1"],
        "DBParameterGroupName": "clinic-16",
        "MultiAZ": True,
        "DeletionProtection": True,
        "PubliclyAccessible": False,
        "AutoMinorVersionUpgrade": False,
        "CopyTagsToSnapshot": True,
        "EnableIAMDatabaseAuthentication": True,
        "EnableCloudwatchLogsExports": ["postgresql"],
        "BackupRetentionPeriod": 7,
        "PreferredBackupWindow": "03:00-03:30",
        "CACertificateIdentifier": "rds-ca-rsa2048-g1",
        "StorageType": "gp3",
        "NetworkType": "IPV4",
        "DedicatedLogVolume": False,
        "EngineLifecycleSupport": "open-source-rds-extended-support-disabled",
        "Tags": [{"Key": "team", "Value": "care"}, {"Key": "a", "Value": "b"}],
    }


def test_what_only_a_modify_takes_comes_later_and_at_once() -> None:
    assert of_instance()["modify_db_instance"] == {
        "DBInstanceIdentifier": "beside",
        "ApplyImmediately": True,
        "MaxAllocatedStorage": 100,
        "PreferredMaintenanceWindow": "sun:04:00-sun:04:30",
        "MonitoringInterval": 60,
        "MonitoringRoleArn": "arn:aws:iam::123456789012:role/monitoring",
        "EnablePerformanceInsights": True,
        "PerformanceInsightsRetentionPeriod": 7,
        "DatabaseInsightsMode": "standard",
    }


@pytest.mark.parametrize(
    ("kind", "size", "given_back"),
    [
        ("gp3", 20, False),
        ("gp3", 399, False),
        ("gp3", 400, True),
        ("io1", 100, True),
        ("io2", 100, True),
        ("gp2", 1000, False),
    ],
)
def test_iops_are_given_back_only_where_aws_takes_them(
    kind: str, size: int, given_back: bool
) -> None:
    restore = of_instance(StorageType=kind, AllocatedStorage=size)[requests.RESTORE_INSTANCE]
    assert ("Iops" in restore, "StorageThroughput" in restore) == (given_back, given_back)


def test_a_custom_option_group_is_given_back() -> None:
    groups = [{"OptionGroupName": "mine"}]
    restore = of_instance(OptionGroupMemberships=groups)[requests.RESTORE_INSTANCE]
    assert restore["OptionGroupName"] == "mine"


def test_aurora_gets_its_own_version_and_each_member() -> None:
    built = of_cluster()
    check(built)
    restore, members = built[requests.RESTORE_CLUSTER], built[requests.CREATE_MEMBER]
    assert restore["EngineVersion"] == "15.8"
    assert restore["DBSubnetGroupName"] == "private"
    assert restore["AssociatedRoles"][0]["FeatureName"] == "s3Import"
    assert restore["Tags"] == [{"Key": "a", "Value": "b"}]
    assert [one["DBInstanceIdentifier"] for one in members] == ["beside-writer", "beside-old"]
    assert [one["PromotionTier"] for one in members] == [0, 1]
    assert {one["DBClusterIdentifier"] for one in members} == {"beside"}
    assert members[0]["DBParameterGroupName"] == "member-15"
    assert built[requests.MODIFY_CLUSTER]["PreferredMaintenanceWindow"] == "sun:04:00-sun:04:30"


def test_a_multi_az_cluster_makes_its_own_instances() -> None:
    built = of_cluster(
        Engine="postgres",
        DBClusterInstanceClass="db.m6gd.large",
        StorageType="io1",
        Iops=3000,
        MonitoringInterval=60,
        MonitoringRoleArn="arn:aws:iam::123456789012:role/monitoring",
    )
    check(built)
    restore = built[requests.RESTORE_CLUSTER]
    assert requests.CREATE_MEMBER not in built
    assert (restore["DBClusterInstanceClass"], restore["Iops"]) == ("db.m6gd.large", 3000)
    assert restore["MonitoringInterval"] == 60


patient = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
words = st.text("az09", min_size=1, max_size=20)
identifiers = st.lists(words, max_size=6).map(lambda parts: "-".join(["a", *parts])[:63].strip("-"))
valid = re.compile(r"[a-z](-?[a-z0-9])*")


@patient
@given(identifiers, identifiers)
def test_a_name_beside_another_is_an_identifier(database: str, rest: str) -> None:
    for longest in (52, 63):
        name = requests.beside(database, rest, longest)
        assert valid.fullmatch(name)
        assert len(name) <= longest


# ---------------------------------------------------------------- names and tags


@patient
@given(st.text(max_size=80), st.text("09AZ", min_size=26, max_size=26))
@example("x" * 80, "0" * 26)
@example("_" + "-" * 40, "0" * 26)
def test_a_snapshot_has_a_name_that_instances_and_clusters_take(database: str, run: str) -> None:
    name = rds.named(database, NOON, run)
    assert valid.fullmatch(name)
    assert len(name) <= 63
    assert name.startswith("migsafe-")
    assert name.endswith(f"20261125t120000z-{run[-8:].lower()}")


def test_a_snapshots_name_says_which_database() -> None:
    name = rds.named("Clinic_prod.eu", NOON, "01M8ACCA2JQNG63XHH7EY68B05")
    assert name == "migsafe-clinic-prod-eu-20261125t120000z-7ey68b05"


@patient
@given(st.text(max_size=400), st.text(max_size=40))
def test_tags_hold_only_what_aws_takes(target: str, run: str) -> None:
    found = manifest.tags(
        run=run, target=target, resource_id="db-X", created=NOON, keep=60.0, outcome="open"
    )
    assert len(found) <= 50
    for key, value in found.items():
        assert re.fullmatch(r"migsafe:[a-z-]+", key)
        assert re.fullmatch(r"[\w .:/=+@-]{0,256}", value)
    assert found["migsafe:expires"] == "2026-11-25T12:01:00Z"


# ---------------------------------------------------------------- manifest


def written(**parts: Any) -> Manifest:
    known: dict[str, Any] = {
        "run": "01J",
        "provider": "rds",
        "id": "s",
        "taken": NOON,
        "moment": NOON,
        "place": "h:5432/clinic",
        "database": "clinic",
        "server_version": "16.4",
        "fingerprint": Fingerprint(facts="0", fact_count=1, counts={"a.b": 1}, exact=True),
        "source": {"described": INSTANCE, "restorable": "2026"},
    }
    return Manifest(**known | parts)


def test_a_manifest_is_read_back_as_it_was_written() -> None:
    assert manifest.parse(manifest.encode(written()), "x") == written()


def test_moments_in_a_description_are_written_as_text() -> None:
    kept = manifest.parse(manifest.encode(written(copy={"SnapshotCreateTime": NOON})), "x")
    assert kept.copy == {"SnapshotCreateTime": "2026-11-25T12:00:00Z"}


@pytest.mark.parametrize("text", ["", "{}", "nonsense", '{"version": 1}'])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^x: is no manifest"):
        manifest.parse(text, "x")


def test_a_manifest_of_a_later_version_is_refused() -> None:
    with pytest.raises(UsageError, match="version 2"):
        manifest.parse(manifest.encode(written(version=2)), "x")


def test_a_report_says_the_command_that_leads_back() -> None:
    assert manifest.snapshot(written()).restore == "migsafe restore 01J"


# ---------------------------------------------------------------- windows


@pytest.mark.parametrize(
    ("window", "hour", "minute", "is_near"),
    [
        ("03:00-03:30", 2, 29, False),
        ("03:00-03:30", 2, 30, True),
        ("03:00-03:30", 3, 29, True),
        ("03:00-03:30", 3, 30, False),
        ("23:50-00:20", 0, 19, True),
        ("23:50-00:20", 0, 20, False),
        ("00:10-00:40", 23, 40, True),
        ("wed:12:00-wed:12:30", 12, 0, True),
        ("wed:12:00-wed:12:30", 11, 29, False),
        ("thu:12:00-thu:12:30", 12, 0, False),
        ("thu:00:10-thu:00:40", 23, 45, True),
        ("sun:23:45-mon:00:15", 12, 0, False),
    ],
)
def test_a_window_is_near_while_it_is_open_and_half_an_hour_before(
    window: str, hour: int, minute: int, is_near: bool
) -> None:
    assert preflight.near(window, NOON.replace(hour=hour, minute=minute)) == is_near


def test_a_window_over_sunday_is_open_on_monday() -> None:
    assert preflight.near("sun:23:45-mon:00:15", datetime(2026, 11, 23, 0, 10, tzinfo=UTC))


def test_without_backups_the_snapshot_is_called_the_only_way_back() -> None:
    (said,) = preflight.net({"BackupRetentionPeriod": 0}, NOON)
    assert "the only way back" in said


def test_backups_that_lag_behind_are_said() -> None:
    late = {"BackupRetentionPeriod": 7, "LatestRestorableTime": NOON - timedelta(hours=2)}
    assert list(preflight.net(late, NOON)) == [
        "The latest restorable time is 2026-11-25 10:00 UTC, far behind."
    ]
    fresh = late | {"LatestRestorableTime": NOON - timedelta(minutes=5)}
    assert list(preflight.net(fresh, NOON)) == []


# ---------------------------------------------------------------- waiting


class Time:
    """A clock that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(polling, "clock", lambda: made.now)
    monkeypatch.setattr(polling, "sleep", made.sleep)
    return made


def waited(look: Callable[[], Seen | None], said: list[str], timeout: float = 4 * 3600.0) -> Seen:
    return polling.wait(
        look,
        place="snapshot s",
        statuses=polling.SNAPSHOT,
        timeout=timeout,
        remedy="do something",
        notify=said.append,
    )


def looks(*statuses: str | None) -> Callable[[], Seen | None]:
    """Return a look at each status in turn; the last one stays."""
    left = list(statuses)

    def look() -> Seen | None:
        status = left.pop(0) if len(left) > 1 else left[0]
        return Seen(status=status, percent=10) if status else None

    return look


def test_waiting_slows_down_from_5_seconds_to_a_minute(time: Time) -> None:
    waited(looks(*["creating"] * 10, "available"), [])
    assert time.slept[0] == 5.0
    for pause, (least, most) in zip(
        time.slept[1:], [(12, 18), (24, 36)] + [(48, 72)] * 7, strict=True
    ):
        assert least <= pause <= most


def test_a_snapshot_of_more_than_half_an_hour_is_waited_for(time: Time) -> None:
    assert waited(looks(*["creating"] * 100, "available"), []).status == "available"
    assert time.now > 3600


def test_a_snapshot_that_is_never_seen_is_not_complete(time: Time) -> None:
    with pytest.raises(UnreachableError, match=r"^snapshot s: is not there; do something"):
        waited(looks(None), [])
    assert 120 <= time.now <= 240


def test_a_snapshot_that_is_seen_late_is_waited_for(time: Time) -> None:
    assert waited(looks(None, None, "creating", "available"), []).status == "available"


@pytest.mark.parametrize("status", ["failed", "deleted", "deleting", "incompatible-anything"])
def test_a_snapshot_that_fails_is_waited_for_no_longer(time: Time, status: str) -> None:
    with pytest.raises(UnreachableError, match=f"^snapshot s: is {status}; do something"):
        waited(looks("creating", status), [])
    assert time.slept == [5.0]


def test_a_status_that_nobody_knows_is_said_once_and_waited_for(time: Time) -> None:
    said: list[str] = []
    waited(looks("defragmenting", "defragmenting", "available"), said)
    assert [line for line in said if "not known" in line] == [
        "snapshot s: the status defragmenting is not known to migsafe, which waits on"
    ]


def test_a_deadline_names_what_it_was_waited_for(time: Time) -> None:
    with pytest.raises(UnreachableError, match=r"^snapshot s: is still creating after 1 h; do"):
        waited(looks("creating"), [], timeout=3600.0)
    assert time.now == 3600.0


def test_progress_is_said_with_the_time_that_passed_and_no_forecast(time: Time) -> None:
    said: list[str] = []
    waited(looks("creating", "creating", "available"), said)
    assert said == [
        "snapshot s: creating, 10 %, for 0 s",
        "snapshot s: creating, 10 %, for 5 s",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min"), (75, "1 min 15 s"), (7500, "2 h 5 min"), (14400, "4 h")],
)
def test_durations_are_spelled(seconds: float, text: str) -> None:
    assert polling.spelled(seconds) == text


def test_a_folder_without_manifests_has_none(tmp_path: Path) -> None:
    assert list(manifest.files(tmp_path / "nowhere")) == []


# ---------------------------------------------------------------- pruning


def copy_of(run: str, *, days: int, **more: Any) -> Copy:
    known: dict[str, Any] = {
        "provider": "rds",
        "id": f"migsafe-{run}",
        "run": run,
        "taken": NOON - timedelta(days=days),
        "status": "available",
        "outcome": "OK",
    }
    return Copy(**known | more)


#: From the newest to the oldest.
COPIES = [copy_of("a", days=1), copy_of("b", days=20), copy_of("c", days=40), copy_of("d", days=90)]


def fates(
    copies: Sequence[Copy] = COPIES,
    *,
    older_than: float | None = None,
    newest: int | None = None,
    needed: Collection[str] = (),
    running: bool = False,
) -> dict[str, str]:
    rule = Rule(older_than=older_than, newest=newest, usual=30 * DAY)
    why = dict.fromkeys(needed, "needed")
    judged = pruning.judge(copies, rule, why, NOON, running=running)
    return {one.run: one.fate for one in judged}


DAY = 86400.0
KEPT, DUE = "kept", "to delete"


def test_without_flags_what_is_past_its_time_goes() -> None:
    assert fates() == {"a": KEPT, "b": KEPT, "c": DUE, "d": DUE}


def test_what_is_written_on_a_copy_goes_before_the_config() -> None:
    longer = copy_of("d", days=90, expires=NOON + timedelta(days=1))
    shorter = copy_of("b", days=20, expires=NOON - timedelta(days=1))
    assert fates([COPIES[0], shorter, longer]) == {"a": KEPT, "b": DUE, "d": KEPT}


def test_age_and_number_go_by_themselves_or_both() -> None:
    assert fates(older_than=10 * DAY) == {"a": KEPT, "b": DUE, "c": DUE, "d": DUE}
    assert fates(newest=1) == {"a": KEPT, "b": DUE, "c": DUE, "d": DUE}
    assert fates(newest=3) == {"a": KEPT, "b": KEPT, "c": KEPT, "d": DUE}
    assert fates(newest=3, older_than=10 * DAY) == {"a": KEPT, "b": KEPT, "c": KEPT, "d": DUE}
    assert fates(newest=1, older_than=60 * DAY) == {"a": KEPT, "b": KEPT, "c": KEPT, "d": DUE}


def test_the_newest_one_stays_however_old_it_is() -> None:
    assert fates([copy_of("d", days=900)]) == {"d": KEPT}


def test_the_newest_one_is_one_that_can_be_restored() -> None:
    broken = copy_of("a", days=50, status="failed")
    assert fates([broken, COPIES[3]]) == {"a": KEPT, "d": KEPT}


def test_what_cannot_be_restored_takes_no_place_among_the_newest() -> None:
    broken = [copy_of(run, days=0, status="missing") for run in "xy"]
    found = fates([*broken, *COPIES], newest=2)
    assert found == {"x": DUE, "y": DUE, "a": KEPT, "b": KEPT, "c": DUE, "d": DUE}


@pytest.mark.parametrize("more", [{"keep": True}, {"status": "creating"}, {"status": "failed"}])
def test_a_doubt_keeps_a_copy(more: dict[str, Any]) -> None:
    assert fates([COPIES[0], copy_of("d", days=90, **more)])["d"] == KEPT


def test_a_copy_whose_run_may_go_on_is_kept_and_that_of_a_killed_run_has_its_time() -> None:
    copies = [COPIES[0], *(copy_of(run, days=days, outcome="open") for run, days in OPEN)]
    assert fates(copies, older_than=DAY) == {"a": KEPT, "o": KEPT, "p": DUE}
    assert fates(copies, running=True) == {"a": KEPT, "o": KEPT, "p": KEPT}


#: Of two runs that have not told how they ended, one within the usual time.
OPEN = [("o", 20), ("p", 90)]


def test_what_the_ledger_may_still_need_is_kept() -> None:
    assert fates(needed={"c"}) == {"a": KEPT, "b": KEPT, "c": KEPT, "d": DUE}


def test_a_copy_is_judged_with_a_reason() -> None:
    rule = Rule(older_than=None, newest=None, usual=30 * DAY)
    judged = pruning.judge(COPIES, rule, {}, NOON)
    assert [one.why for one in judged] == [
        "the newest one",
        "until 2026-12-05",
        "40 days old",
        "90 days old",
    ]
