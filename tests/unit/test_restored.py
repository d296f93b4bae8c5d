"""What was restored against what the snapshot held, in made-up numbers; and the names it gets."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from migsafe.catalog import counts
from migsafe.findings import Severity
from migsafe.pipeline import losses, restoring
from migsafe.restore import comparing, configured, journal, resources, scene
from migsafe.restore.journal import Entry, Journal
from migsafe.snapshots import Fingerprint

HELD = Fingerprint(
    facts="a",
    fact_count=3,
    counts={"public.visits": 10},
    exact=True,
    migrations="m",
    extensions={"pgcrypto": "1.3"},
    roles=("app",),
)


def said(found: Fingerprint, held: Fingerprint = HELD) -> list[tuple[Severity, str]]:
    return [(one.severity, one.message) for one in comparing.differences(held, found)]


def test_what_is_equal_has_no_difference() -> None:
    assert said(HELD) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"facts": "b"}, "the schema is not that of the snapshot: 3 facts, 3 then"),
        ({"migrations": "n"}, "the history's own table has other rows"),
        ({"extensions": {}}, "the extension pgcrypto is not there"),
        ({"roles": ()}, "the role app is not there"),
        ({"counts": {}}, "the table public.visits is not there"),
        ({"counts": {"public.visits": 9}}, "public.visits has 9 rows, 10 in the snapshot"),
        ({"estimated": ("public.visits",)}, "the rows of public.visits could not be counted"),
    ],
)
def test_each_difference_is_an_error(changed: dict[str, Any], message: str) -> None:
    assert said(replace(HELD, **changed)) == [(Severity.ERROR, message)]


def test_a_table_that_is_newer_than_the_snapshot_is_lost_with_its_rows() -> None:
    counts = {"public.visits": 10, "public.bills": 7, "public.notes": 1000}
    now = replace(HELD, counts=counts, estimated=("public.notes",))
    shown: Any = SimpleNamespace(
        manifest=SimpleNamespace(fingerprint=HELD), fingerprint=lambda _, **__: now
    )
    assert list(losses._rows(shown, Any)) == [  # type: ignore[arg-type]
        "public.bills: was not there then, and has 7 rows now.",
        "public.notes: was not there then, and was not counted.",
        "1 of 1 tables were counted; what was updated in place is not known.",
    ]


def test_a_copy_of_what_nobody_wrote_down_is_not_called_equal() -> None:
    unknown = Fingerprint(facts="", fact_count=0, counts={}, exact=False)
    ((severity, message),) = said(HELD, unknown)
    assert severity is Severity.ERROR
    assert "nothing is proved" in message


def test_a_history_that_was_not_read_is_no_pass() -> None:
    ((severity, message),) = said(replace(HELD, migrations=None))
    assert severity is Severity.ERROR
    assert "was not read" in message


def test_what_a_server_has_beyond_the_snapshot_is_no_difference() -> None:
    more = replace(HELD, roles=("app", "new"), extensions={"pgcrypto": "1.3", "hstore": "1.8"})
    assert said(more) == []


def test_another_version_of_an_extension_is_a_warning() -> None:
    ((severity, message),) = said(replace(HELD, extensions={"pgcrypto": "1.4"}))
    assert (severity, message) == (
        Severity.WARNING,
        "the extension pgcrypto is 1.4, 1.3 in the snapshot",
    )


@given(then=st.integers(0, 99), later=st.integers(0, 99), found=st.integers(0, 99))
def test_a_count_lies_between_those_before_and_after_the_snapshot(
    then: int, later: int, found: int
) -> None:
    held = replace(HELD, counts={"t": then}, later={"t": later})
    fits = min(then, later) <= found <= max(then, later)
    assert (said(replace(HELD, counts={"t": found}), held) == []) is fits


def test_estimates_are_compared_as_such_and_said_to_be() -> None:
    held = replace(HELD, exact=False, estimated=("public.visits",))
    ((severity, message),) = said(replace(HELD, counts={"public.visits": 60}), held)
    assert severity is Severity.INFO
    assert "compared by estimates only" in message
    far = said(replace(HELD, counts={"public.visits": 6000}), held)
    assert far[0] == (Severity.WARNING, "public.visits has 6000 rows, about 10 in the snapshot")


#: A description in which everything matters.
RECORDED: dict[str, Any] = {
    "EngineVersion": "16.4",
    "MultiAZ": True,
    "PubliclyAccessible": False,
    "IAMDatabaseAuthenticationEnabled": True,
    "BackupRetentionPeriod": 7,
    "DBInstanceClass": "db.m7g.large",
    "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1", "Status": "active"}],
    "DBParameterGroups": [{"DBParameterGroupName": "ours", "ParameterApplyStatus": "in-sync"}],
    "DBSubnetGroup": {"DBSubnetGroupName": "inside"},
}


@pytest.mark.parametrize(
    ("key", "value", "severity"),
    [
        ("EngineVersion", "17.2", Severity.ERROR),
        ("MultiAZ", False, Severity.ERROR),
        ("PubliclyAccessible", True, Severity.ERROR),
        ("IAMDatabaseAuthenticationEnabled", False, Severity.ERROR),
        ("BackupRetentionPeriod", 0, Severity.ERROR),
        ("DBInstanceClass", "db.t4g.micro", Severity.WARNING),
        ("VpcSecurityGroups", [{"VpcSecurityGroupId": "sg-default"}], Severity.ERROR),
        ("DBParameterGroups", [{"DBParameterGroupName": "default"}], Severity.ERROR),
        ("DBSubnetGroup", {"DBSubnetGroupName": "default"}, Severity.ERROR),
    ],
)
def test_a_default_of_the_account_is_found(key: str, value: object, severity: Severity) -> None:
    assert list(configured.differences(RECORDED, RECORDED)) == []
    (found,) = configured.differences(RECORDED, {**RECORDED, key: value})
    assert found.severity is severity
    assert key in found.message


IDENTIFIER = st.from_regex(r"[a-z]([a-z0-9]|-[a-z0-9]){0,62}", fullmatch=True).map(
    lambda name: name[:63].rstrip("-")
)


@given(IDENTIFIER, st.sampled_from(["restore", "failed"]), st.sampled_from([52, 63]))
def test_a_name_of_a_restore_is_one_that_aws_takes(name: str, word: str, limit: int) -> None:
    made = resources.fitted(name, word, "01M8ADBJHPNKQEWHT649HQKEST", limit)
    assert len(made) <= limit
    assert "--" not in made
    assert made.endswith(f"-{word}-49hqkest")


def test_long_names_that_end_otherwise_stay_different() -> None:
    long = "a" * 60
    names = {resources.fitted(f"{long}-{n}", "restore", "0" * 26) for n in (1, 2)}
    assert len(names) == 2


def thing(**described: Any) -> resources.Thing:
    return resources.instance(
        {
            "DBInstanceIdentifier": "clinic",
            "DbiResourceId": "db-1",
            "DBInstanceArn": "arn",
            "DBInstanceStatus": "available",
            **described,
        }
    )


@pytest.mark.parametrize(
    ("described", "busy"),
    [
        ({}, False),
        ({"DBInstanceStatus": "storage-optimization"}, False),
        ({"DBInstanceStatus": "renaming"}, True),
        ({"DBInstanceStatus": "a status of next year"}, True),
        ({"DBInstanceStatus": "incompatible-restore"}, False),
        ({"PendingModifiedValues": {"DBInstanceIdentifier": "other"}}, True),
        ({"PendingModifiedValues": {"AllocatedStorage": 50}}, False),
    ],
)
def test_a_name_that_is_about_to_come_counts_as_busy(described: dict[str, Any], busy: bool) -> None:
    assert thing(**described).busy is busy


def test_an_estimate_is_what_was_measured_or_not_known(tmp_path: Path) -> None:
    kept = journal.fresh(tmp_path, run="R", provider="rds", key="k", place="p")
    began = datetime(2026, 1, 2, tzinfo=UTC)
    kept.record.entries = [
        Entry(step="restore beside", event="begun", at=began),
        Entry(step="verify", event="done", at=began + timedelta(minutes=42)),
    ]
    measured = "42 min to the verified copy, last time (2026-01-02)"
    assert restoring.estimated([kept], "k") == measured
    assert restoring.estimated([kept], "other").startswith("not known")
    assert restoring.estimated([], "k").startswith("not known")


def test_a_restore_that_is_only_shown_leaves_no_file(tmp_path: Path) -> None:
    kept = journal.fresh(tmp_path / "restores", run="R", provider="rds", key="k", place="p")
    kept.remember("old", "db-1")
    assert isinstance(kept, Journal)
    assert not (tmp_path / "restores").exists()


def test_a_copy_says_whom_it_stands_for_and_never_more_than_a_tag_holds() -> None:
    tags: list[dict[str, str]] = [{"Key": "team", "Value": "care"}]
    for number in range(20):
        tags = scene.standing_for(tags, f"db-{number:026}")
    assert [pair["Key"] for pair in tags] == ["team", "migsafe:was"]
    assert tags[1]["Value"].split() == [f"db-{number:026}" for number in range(12, 20)]
    assert len(tags[1]["Value"]) <= 256


@pytest.mark.parametrize(("rows", "differs"), [(3, True), (4, False), (15, False), (16, True)])
def test_what_came_and_went_during_the_snapshot_is_no_difference(rows: int, differs: bool) -> None:
    held = replace(HELD, between={"public.visits": (4, 15)})
    assert bool(said(replace(HELD, counts={"public.visits": rows}), held)) is differs


def test_a_table_held_no_fewer_rows_than_what_was_deleted_tells() -> None:
    before, after = {"a": 10, "b": 10, "c": 10}, {"a": 12, "b": 10, "c": 0}
    written = {"a": (100, 50), "b": (100, 50), "c": (100, 50)}
    later = {"a": (105, 53), "b": (100, 50), "c": (0, 0)}
    assert counts.between(before, after, written, later) == {"a": (7, 15)}
