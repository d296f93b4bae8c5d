"""NULLs, defaults and names of columns, with more and with less that is known than in the cases."""

import pytest

from migsafe import hazards, sql
from migsafe.hazards import Options, Unit
from migsafe.schema import Schema
from tests.hazard_cases import clinic, lint, live


def units(*texts: str) -> list[Unit]:
    return [
        Unit(
            name=f"{number}_a",
            file=f"{number}_a.sql",
            text=text,
            statements=sql.parse(text),
            transaction=True,
        )
        for number, text in enumerate(texts, start=1)
    ]


def found(code: str, *texts: str, schema: Schema | None = None, version: int | None = None) -> int:
    options = Options(on=frozenset({code}), version=version)
    walked = hazards.walk(units(*texts), clinic() if schema is None else schema, options)
    return sum(finding.code == code for finding in walked)


ADD = "ALTER TABLE patients ADD CONSTRAINT seen_here CHECK (seen IS NOT NULL) NOT VALID"
VALIDATE = "ALTER TABLE patients VALIDATE CONSTRAINT seen_here"
SET = "ALTER TABLE patients ALTER COLUMN seen SET NOT NULL"


def test_a_check_proves_not_null_from_an_earlier_migration_once_it_is_valid() -> None:
    assert found("MS211", ADD, VALIDATE, SET) == 0
    assert found("MS211", ADD, SET) == 1
    assert (
        found("MS211", ADD, VALIDATE, f"ALTER TABLE patients DROP CONSTRAINT seen_here; {SET}") == 1
    )


def test_before_12_no_check_proves_anything() -> None:
    assert found("MS211", ADD, VALIDATE, SET, version=11) == 1
    assert found("MS211", ADD, VALIDATE, SET, version=12) == 0


def test_a_check_that_is_not_enforced_proves_nothing() -> None:
    enforced = "ALTER TABLE patients ADD CHECK (seen IS NOT NULL) NOT ENFORCED"
    assert found("MS211", enforced, SET) == 1


def test_a_proof_follows_a_renamed_column_and_not_its_old_name() -> None:
    rename = "ALTER TABLE patients RENAME COLUMN seen TO met"
    assert found("MS211", ADD, VALIDATE, rename, SET.replace("seen SET", "met SET")) == 0
    anew = f"{rename}; ALTER TABLE patients ADD COLUMN seen timestamptz"
    assert found("MS211", ADD, VALIDATE, anew, SET) == 1


def test_a_partition_without_the_proof_is_read() -> None:
    check = "ALTER TABLE visits_2024 ADD CHECK (kind IS NOT NULL)"
    all_but_one = f"{check}; {check.replace('2024', '2025')}"
    every = f"{all_but_one}; {check.replace('2024', 'rest')}"
    needed = "ALTER TABLE visits ALTER COLUMN kind SET NOT NULL"
    assert found("MS211", all_but_one, needed) == 1
    assert found("MS211", every, needed) == 0


def test_what_is_not_known_of_a_table_is_said() -> None:
    (finding,) = lint("ALTER TABLE nowhere ALTER COLUMN c SET NOT NULL", "MS211", Schema())
    assert "not known" in finding.message
    (finding,) = lint(SET, "MS211")
    assert "not known" not in finding.message


@pytest.mark.parametrize(
    ("size", "severity"), [(8192, "info"), (50_000_000, "warning"), (5_000_000_000, "error")]
)
def test_a_scan_is_as_bad_as_the_table_is_large(size: int, severity: str) -> None:
    (finding,) = lint(SET, "MS211", live(patients=(40, size)))
    assert finding.severity == severity


def test_a_target_knows_a_valid_check_by_its_text() -> None:
    target = live(patients=(40, 8192))
    check = next(iter(target.tables.values())).constraints["patients_mrn_present"]
    check.expression = "(mrn IS NOT NULL)"
    assert lint("ALTER TABLE patients ALTER COLUMN mrn SET NOT NULL", "MS211", target) == []


def test_a_default_that_nobody_knows_of_may_be_that_of_a_required_column() -> None:
    (finding,) = lint("ALTER TABLE nowhere ALTER COLUMN c DROP DEFAULT", "MS313", Schema())
    assert finding.severity == "info"
    assert "not known" in finding.message


def test_a_default_that_an_earlier_migration_gave_is_missed_too() -> None:
    add = "ALTER TABLE patients ADD COLUMN c int NOT NULL DEFAULT 1"
    drop = "ALTER TABLE patients ALTER COLUMN c DROP DEFAULT"
    assert found("MS313", add, drop) == 1
    assert found("MS313", "ALTER TABLE patients ADD COLUMN c int NOT NULL", drop) == 0


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE archive RENAME TO attic",
        "CREATE VIEW archive AS SELECT 1 AS id; DROP VIEW archive; ALTER TABLE archive RENAME TO b",
        "ALTER TABLE archive RENAME TO attic; CREATE VIEW billing.archive AS SELECT * FROM attic",
    ],
)
def test_only_a_view_of_the_same_name_that_follows_keeps_old_code_going(text: str) -> None:
    assert [finding.severity for finding in lint(text, "MS315")] == ["warning"]


def test_a_column_that_a_pending_migration_adds_has_no_readers() -> None:
    add, rename = "ALTER TABLE staff ADD c int", "ALTER TABLE staff RENAME c TO d"
    assert found("MS314", add, rename, schema=live()) == 0
    assert found("MS314", add, rename) == 1


def test_a_moved_type_or_function_is_named_and_locks_nothing() -> None:
    (finding,) = lint("ALTER DOMAIN billing.code SET SCHEMA public", "MS318")
    assert "billing.code" in finding.message
    assert "ACCESS EXCLUSIVE" not in finding.message
    assert lint("ALTER EXTENSION citext SET SCHEMA billing", "MS318") == []
