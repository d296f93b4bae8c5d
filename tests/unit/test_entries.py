"""Where a target stands: the recorded rows held against the files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from migsafe.findings import Finding, Severity
from migsafe.histories import Directory, Entry, History, Migration, Recorded, Standing, State
from migsafe.histories.entries import stand

APPLIED, FAILED, ROLLED_BACK = Recorded.APPLIED, Recorded.FAILED, Recorded.ROLLED_BACK

PATH = Path("migrations")


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeHistory:
    """What `stand` reads of a history: nothing that asks the database."""

    directory: Directory
    tool: str = "Prisma"
    table: str = "public._prisma_migrations"
    strict: bool = False

    def matches(self, migration: Migration, checksum: str) -> bool:
        return checksum == migration.checksum


def migration(name: str, version: str = "") -> Migration:
    return Migration(
        name=name, path=PATH / name, text="SELECT 1;", checksum=f"sum of {name}", version=version
    )


def history(*names: str, strict: bool = False, findings: Sequence[Finding] = ()) -> History:
    directory = Directory(
        kind="prisma",
        layout="prisma",
        path=PATH,
        migrations=[migration(name) for name in names],
        findings=findings,
    )
    return cast("History", FakeHistory(directory=directory, strict=strict))


def stood(
    of: History,
    *rows: tuple[str, Recorded],
    present: bool = True,
    occupied: Sequence[str] = (),
    unfinished: Sequence[str] = (),
) -> Standing:
    entries = [Entry(name=name, recorded=recorded) for name, recorded in rows]
    return stand(of, entries, present=present, occupied=occupied, unfinished=unfinished)


def codes(standing: Standing) -> list[str]:
    return [finding.code for finding in standing.findings]


def names(standing: Standing) -> list[str]:
    return [migration.name for migration in standing.pending]


@pytest.mark.parametrize(
    ("rows", "state", "applied", "pending", "failed"),
    [
        ([], "managed", [], ["a"], []),
        ([APPLIED], "managed", ["a"], [], []),
        ([FAILED], "failed", [], [], ["a"]),
        ([ROLLED_BACK], "managed", [], ["a"], []),
        ([ROLLED_BACK, ROLLED_BACK], "managed", [], ["a"], []),
        ([ROLLED_BACK, APPLIED], "managed", ["a"], [], []),
        ([APPLIED, ROLLED_BACK], "managed", ["a"], [], []),
        ([FAILED, APPLIED], "failed", ["a"], [], ["a"]),
        ([APPLIED, FAILED], "failed", ["a"], [], ["a"]),
        ([APPLIED, APPLIED], "managed", ["a"], [], []),
        ([ROLLED_BACK, FAILED, FAILED], "failed", [], [], ["a"]),
    ],
)
def test_the_rows_of_one_migration_decide_what_deploy_would_do(
    rows: list[Recorded], state: str, applied: list[str], pending: list[str], failed: list[str]
) -> None:
    standing = stood(history("a"), *[("a", row) for row in rows])
    assert (standing.state, standing.applied) == (state, applied)
    assert (names(standing), standing.failed) == (pending, failed)


def test_everything_is_in_history_order_whatever_the_order_of_the_rows() -> None:
    standing = stood(
        history("a", "b", "c", "d"), ("c", APPLIED), ("y", APPLIED), ("a", APPLIED), ("x", APPLIED)
    )
    assert standing.applied == ["a", "c"]
    assert names(standing) == ["b", "d"]
    assert standing.missing == ["y", "x"]


@pytest.mark.parametrize(
    ("present", "occupied", "state"),
    [
        (False, [], State.EMPTY),
        (False, ["public.clients"], State.UNMANAGED),
        (True, [], State.MANAGED),
        (True, ["public.clients"], State.MANAGED),
    ],
)
def test_a_table_that_is_there_is_what_manages_a_target(
    present: bool, occupied: list[str], state: State
) -> None:
    assert stood(history("a"), present=present, occupied=occupied).state is state


@pytest.mark.parametrize("present", [True, False])
def test_an_unfinished_receipt_goes_over_every_other_state(present: bool) -> None:
    standing = stood(
        history("a", "b"),
        ("b", FAILED),
        present=present,
        occupied=["public.clients"],
        unfinished=["a"],
    )
    assert standing.state is State.DIRTY
    assert names(standing) == []


def test_a_failed_row_goes_over_an_unmanaged_schema() -> None:
    standing = stood(history("a"), ("a", FAILED), present=False, occupied=["public.clients"])
    assert standing.state is State.FAILED


def test_a_failed_migration_that_is_also_unfinished_is_reported_once_as_dirty() -> None:
    standing = stood(history("a", "b"), ("a", FAILED), ("b", FAILED), unfinished=["a"])
    assert [(f.code, f.migration) for f in standing.findings] == [("MH102", "b"), ("MH104", "a")]
    assert standing.failed == ["a", "b"]


def test_a_failed_row_without_a_file_still_blocks() -> None:
    standing = stood(history("a"), ("gone", FAILED))
    assert (standing.state, standing.failed, standing.missing) == ("failed", ["gone"], [])


def test_a_rolled_back_row_without_a_file_is_not_missing() -> None:
    standing = stood(history("a"), ("gone", ROLLED_BACK))
    assert (standing.missing, codes(standing)) == ([], [])


def test_an_unmanaged_schema_is_an_error_that_names_some_of_its_tables() -> None:
    tables = [f"public.{name}" for name in ("clients", "notes", "rooms", "staff")]
    (found,) = stood(history("a"), present=False, occupied=tables).findings
    assert (found.code, found.severity) == ("MH101", Severity.ERROR)
    assert found.message.startswith(
        "4 tables are there (public.clients, public.notes, public.rooms, …), but no "
        "public._prisma_migrations"
    )


def test_a_recorded_migration_without_a_file_is_a_warning() -> None:
    standing = stood(history("a"), ("a", APPLIED), ("gone", APPLIED))
    (found,) = standing.findings
    assert (found.code, found.severity, found.migration) == ("MH105", "warning", "gone")
    assert standing.applied == ["a"]


@pytest.mark.parametrize(("strict", "severity"), [(True, "error"), (False, "warning")])
def test_an_edited_migration_is_as_grave_as_its_tool_takes_it(strict: bool, severity: str) -> None:
    rows = [
        Entry(name="a", recorded=APPLIED, checksum="sum of what ran"),
        Entry(name="b", recorded=APPLIED, checksum="sum of b"),
        Entry(name="c", recorded=APPLIED, checksum=None),
        Entry(name="d", recorded=APPLIED, checksum=""),
    ]
    of = history("a", "b", "c", "d", strict=strict)
    standing = stand(of, rows, present=True, occupied=[], unfinished=[])
    assert standing.edited == ["a"]
    (found,) = standing.findings
    assert (found.code, found.severity, found.migration) == ("MH106", severity, "a")


def test_only_the_row_in_force_says_whether_a_file_was_edited() -> None:
    rows = [
        Entry(name="a", recorded=ROLLED_BACK, checksum="sum of the first try"),
        Entry(name="a", recorded=APPLIED, checksum="sum of a"),
    ]
    assert stand(history("a"), rows, present=True, occupied=[], unfinished=[]).edited == []


def test_the_time_of_the_last_applied_row_counts() -> None:
    early, late = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2))
    rows = [
        Entry(name="a", recorded=APPLIED, finished=early),
        Entry(name="a", recorded=APPLIED, finished=late),
        Entry(name="b", recorded=FAILED),
    ]
    standing = stand(history("a", "b"), rows, present=True, occupied=[], unfinished=[])
    assert standing.finished == {"a": late}


@pytest.mark.parametrize(("tool", "severity"), [("Flyway", "error"), ("Prisma", "warning")])
def test_a_pending_migration_older_than_an_applied_one_is_out_of_order(
    tool: str, severity: str
) -> None:
    of = FakeHistory(directory=history("a", "b", "c", "d").directory, tool=tool)
    standing = stood(cast("History", of), ("c", APPLIED))
    assert [(f.code, f.severity, f.migration) for f in standing.findings] == [
        ("MH107", severity, "a"),
        ("MH107", severity, "b"),
    ]
    assert names(standing) == ["a", "b", "d"]


def test_what_is_pending_at_the_end_is_in_order() -> None:
    assert codes(stood(history("a", "b"), ("a", APPLIED))) == []


def flyway(*migrations: Migration) -> History:
    directory = Directory(kind="sql", layout="flyway", path=PATH, migrations=migrations)
    return cast("History", FakeHistory(directory=directory, tool="Flyway", strict=True))


def test_an_applied_repeatable_migration_makes_no_version_out_of_order() -> None:
    of = flyway(migration("V1__a", "1"), migration("V2__b", "2"), migration("R__views"))
    standing = stood(of, ("V1__a", APPLIED), ("R__views", APPLIED))
    assert (names(standing), codes(standing)) == (["V2__b"], [])


def test_a_pending_repeatable_migration_is_never_out_of_order() -> None:
    of = flyway(migration("V1__a", "1"), migration("R__a"), migration("R__b"))
    assert codes(stood(of, ("V1__a", APPLIED), ("R__b", APPLIED))) == []


def test_versions_of_flyway_are_out_of_order_as_before() -> None:
    of = flyway(migration("V1__a", "1"), migration("V2__b", "2"), migration("R__a"))
    assert codes(stood(of, ("V2__b", APPLIED))) == ["MH107"]


def test_what_is_wrong_with_the_directory_comes_first() -> None:
    (own,) = stood(history("a"), present=False, occupied=["public.clients"]).findings
    standing = stood(history("a", findings=[own]), ("gone", APPLIED))
    assert codes(standing) == ["MH101", "MH105"]
