"""Where a target stands: the recorded rows held against the files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from migsafe.findings import Finding, Severity
from migsafe.histories import Directory, Entry, History, Migration, Recorded, Standing, State
from migsafe.histories.edits import Edit, How
from migsafe.histories.entries import stand
from migsafe.histories.forged import Oddity, is_crc32, is_sha256, is_uuid

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


@pytest.mark.parametrize(
    ("how", "severity"),
    [(How.COMMENTS, "info"), (How.LINE_ENDS, "info"), (How.DIFFERENT, "warning")],
)
def test_what_is_known_of_an_edit_decides_how_grave_it_is(how: How, severity: str) -> None:
    row = Entry(name="a", recorded=APPLIED, checksum="sum of what ran")
    edited = {"a": Edit(how, commit="c0ffee")}
    standing = stand(history("a"), [row], present=True, occupied=[], unfinished=[], edited=edited)
    (found,) = standing.findings
    assert (standing.edited, found.code, found.severity) == (["a"], "MH106", severity)
    assert "c0ffee" in found.message


def only(row: Entry, *, strict: bool = False, edit: Edit | None = None) -> Finding:
    known = {row.name: edit} if edit else {}
    of = history("a", strict=strict)
    standing = stand(of, [row], present=True, occupied=[], unfinished=[], edited=known)
    (found,) = standing.findings
    return found


@pytest.mark.parametrize("oddity", [o for o in Oddity if o is not Oddity.CHECKSUM])
def test_an_odd_row_with_the_files_checksum_is_a_warning(oddity: Oddity) -> None:
    found = only(Entry(name="a", recorded=APPLIED, checksum="sum of a", oddities=[oddity]))
    assert (found.code, found.severity, found.migration) == ("MH113", "warning", "a")
    assert oddity in found.message


@pytest.mark.parametrize("checksum", ["bogus", ""])
@pytest.mark.parametrize(
    ("oddities", "strict", "severity"),
    [
        ([Oddity.CHECKSUM], False, "warning"),
        ([Oddity.CHECKSUM], True, "error"),
        ([Oddity.ID, Oddity.CHECKSUM], False, "error"),
    ],
)
def test_a_sum_that_is_none_is_a_forged_row_and_no_edit(
    checksum: str, oddities: list[Oddity], strict: bool, severity: str
) -> None:
    row = Entry(name="a", recorded=APPLIED, checksum=checksum, oddities=oddities)
    found = only(row, strict=strict)
    assert (found.code, found.severity) == ("MH113", severity)
    assert Oddity.CHECKSUM in found.message


def test_an_odd_id_with_a_sum_of_no_form_of_the_file_is_forged_unless_git_holds_it() -> None:
    row = Entry(name="a", recorded=APPLIED, checksum="sum of what?", oddities=[Oddity.ID])
    for edit in (None, Edit(How.UNKNOWN)):
        found = only(row, edit=edit)
        assert (found.code, found.severity) == ("MH113", "error")
        assert "its checksum is that of no form of the file" in found.message
    known = {"a": Edit(How.DIFFERENT, commit="c0ffee")}
    standing = stand(history("a"), [row], present=True, occupied=[], unfinished=[], edited=known)
    severities = [(f.code, f.severity) for f in standing.findings]
    assert severities == [("MH106", "warning"), ("MH113", "warning")]


def test_a_row_in_order_with_another_sum_is_an_edit_and_not_forged() -> None:
    assert only(Entry(name="a", recorded=APPLIED, checksum="sum of what ran")).code == "MH106"


def test_an_odd_row_without_a_file_is_a_warning_beside_the_missing_file() -> None:
    row = Entry(name="gone", recorded=APPLIED, oddities=[Oddity.ID, Oddity.CHECKSUM])
    standing = stand(history("a"), [row], present=True, occupied=[], unfinished=[])
    severities = [(f.code, f.severity) for f in standing.findings]
    assert severities == [("MH105", "warning"), ("MH113", "warning")]


def test_two_applied_rows_of_one_migration_are_one_finding() -> None:
    (found,) = stood(history("a"), ("a", APPLIED), ("a", APPLIED), ("a", ROLLED_BACK)).findings
    assert (found.code, found.severity) == ("MH113", "warning")
    assert Oddity.TWICE in found.message


@pytest.mark.parametrize(
    "rows",
    [
        [APPLIED],
        [ROLLED_BACK, APPLIED],
        [APPLIED, ROLLED_BACK],
        [ROLLED_BACK, ROLLED_BACK, APPLIED],
    ],
)
def test_the_rows_that_prisma_leaves_are_not_forged(rows: list[Recorded]) -> None:
    assert codes(stood(history("a"), *[("a", row) for row in rows])) == []


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("2f8a1c54-0b7e-4e3c-9d2a-1b2c3d4e5f60", True),
        ("2F8A1C54-0B7E-1E3C-9D2A-1B2C3D4E5F60", True),
        ("manual-2", False),
        ("1", False),
        ("", False),
        ("2f8a1c540b7e4e3c9d2a1b2c3d4e5f60", False),
        ("2f8a1c54-0b7e-4e3c-9d2a-1b2c3d4e5f60\n", False),
    ],
)
def test_a_uuid_is_known_by_its_shape(text: str, is_one: bool) -> None:
    assert is_uuid(text) is is_one


@pytest.mark.parametrize(
    ("text", "padded", "unpadded"),
    [
        ("0" * 64, True, True),
        ("a1" * 31, False, True),
        ("a1" * 16, False, False),
        ("a1" * 20, False, False),
        ("A1" * 32, False, False),
        ("bogus", False, False),
        ("", False, False),
        ("a1" * 33, False, False),
    ],
)
def test_a_checksum_is_known_by_its_shape(text: str, padded: bool, unpadded: bool) -> None:
    assert is_sha256(text) is padded
    assert is_sha256(text, unpadded=True) is unpadded


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("-2147483648", True), ("0", True), ("12345678901", False), ("a1", False), ("", False)],
)
def test_a_sum_of_flyway_is_a_number(text: str, is_one: bool) -> None:
    assert is_crc32(text) is is_one


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
